package engine

import (
	"slices"
	"time"

	"bkp/internal/event"
	"bkp/internal/records/catalog"
	"bkp/lang"
	"bkp/providers"
)

// Sheet is what somebody needs who has lost this machine. It holds no secret.
type Sheet struct {
	Made time.Time `json:"made"`
	Tool string    `json:"tool"`
	// Folder is that of the configuration.
	Folder    string          `json:"folder"`
	StateDir  string          `json:"state_dir"`
	Instances []SheetInstance `json:"instances"`
}

// SheetInstance is an instance with what restores it.
type SheetInstance struct {
	Name     string         `json:"name"`
	URL      string         `json:"url"`
	Parts    []SheetPart    `json:"parts"`
	Archives []SheetArchive `json:"archives"`
	// Newest is the last backup, nil without one; Proven the last whose restore was
	// proven.
	Newest *SheetBackup `json:"newest,omitempty"`
	Proven *SheetBackup `json:"proven,omitempty"`
	// Secrets are attributes whose values the configuration takes from elsewhere, such
	// as database.postgresql.main.password.
	Secrets []string `json:"secrets,omitempty"`
}

// SheetBackup is a backup, and what it was made of.
type SheetBackup struct {
	ID               providers.BackupID `json:"id"`
	BitbucketVersion string             `json:"bitbucket_version,omitempty"`
}

// SheetPart is a component with the facts of the last backup, such as the version of
// a server.
type SheetPart struct {
	Address  string            `json:"address"`
	Strategy string            `json:"strategy"`
	Paths    []string          `json:"paths,omitempty"`
	Facts    map[string]string `json:"facts,omitempty"`
}

// SheetArchive is where backups are.
type SheetArchive struct {
	Address     string `json:"address"`
	Strategy    string `json:"strategy"`
	Destination string `json:"destination,omitempty"`
	// Backup is the newest that is there, Location where; Sealed how it is encrypted.
	Backup   providers.BackupID `json:"backup,omitempty"`
	Location string             `json:"location,omitempty"`
	Sealed   *providers.Sealed  `json:"encryption,omitempty"`
	// ByHand are commands that unpack it, Needs what they take.
	ByHand []string `json:"by_hand,omitempty"`
	Needs  []string `json:"needs,omitempty"`
}

// RecoverySheet writes down, from the configuration and the catalog alone, what is
// needed to restore.
func (eng *Engine) RecoverySheet(names []string) (Sheet, error) {
	instances, err := eng.Instances(names)
	if err != nil {
		return Sheet{}, err
	}
	out := Sheet{Made: time.Now().UTC(), Tool: eng.Version, Folder: eng.Config.Dir, StateDir: eng.Config.StateDir}
	for _, i := range instances {
		of, err := eng.sheetOf(i)
		if err != nil {
			return out, err
		}
		out.Instances = append(out.Instances, of)
	}
	return out, nil
}

func (eng *Engine) sheetOf(i *lang.Instance) (SheetInstance, error) {
	out := SheetInstance{Name: i.Name, URL: i.URL}
	o, err := eng.open(i, event.Discard{}, 1)
	if err != nil {
		return out, err
	}
	defer o.close()
	mine := eng.complete(i)
	if len(mine) > 0 {
		out.Newest = &SheetBackup{mine[0].ID, mine[0].BitbucketVersion}
	}
	proven, err := eng.Catalog().Proven()
	eng.warnOf(err)
	if d, ok := proven[catalog.Subject{Instance: i.Name, URL: i.URL}]; ok {
		out.Proven = &SheetBackup{ID: d.Backup}
	}
	for _, name := range i.Secrets() {
		out.Secrets = append(out.Secrets, i.Address+"."+name)
	}
	for _, p := range o.parts {
		part := SheetPart{Address: p.Address, Strategy: p.Definition.Name()}
		if len(eng.Config.Open()[p.Address]) == 0 {
			part.Paths = p.Strategy.Paths().Live
		}
		if len(mine) > 0 {
			a, _ := mine[0].Artifact(p.Address)
			part.Facts = a.Facts
		}
		out.Parts = append(out.Parts, part)
		out.Secrets = append(out.Secrets, eng.secretsOf(p.Address)...)
	}
	for _, a := range o.shelves() {
		archive := SheetArchive{Address: a.Address, Strategy: a.Definition.Name()}
		if len(eng.Config.Open()[a.Address]) == 0 {
			archive.Destination = a.Archiver.Destination().Name
		}
		archive.add(a.Archiver, mine)
		out.Archives = append(out.Archives, archive)
		out.Secrets = append(out.Secrets, eng.secretsOf(a.Address)...)
	}
	slices.Sort(out.Secrets)
	out.Secrets = slices.Compact(out.Secrets)
	return out, nil
}

// complete are the stored backups of an instance, the newest first.
func (eng *Engine) complete(i *lang.Instance) []providers.Manifest {
	entries, _ := eng.Catalog().List()
	var out []providers.Manifest
	for _, e := range entries {
		if e.Status == catalog.Complete && e.Manifest.Of(i.Name, i.URL) {
			out = append(out, e.Manifest)
		}
	}
	slices.SortFunc(out, func(a, b providers.Manifest) int { return b.ID.Time().Compare(a.ID.Time()) })
	return out
}

// add fills in the newest backup that the archive has.
func (s *SheetArchive) add(a providers.Archiver, backups []providers.Manifest) {
	for _, m := range backups {
		stored, ok := m.In(s.Address)
		if !ok {
			continue
		}
		s.Backup, s.Location, s.Sealed = m.ID, stored.Location, stored.Sealed
		if by, ok := providers.As[providers.ByHand](a); ok {
			s.ByHand, s.Needs = by.ByHand(m)
		}
		return
	}
}

// secretsOf are the secret attributes that a component and those that it refers to
// set.
func (eng *Engine) secretsOf(address string) []string {
	c, ok := eng.Config.Component(address)
	if !ok {
		return nil
	}
	var out []string
	for _, a := range c.Definition.Attributes() {
		if _, set := c.Attrs[a.Name]; set && a.Secret {
			out = append(out, address+"."+a.Name)
		}
	}
	for _, to := range c.Refers {
		out = append(out, eng.secretsOf(to)...)
	}
	return out
}
