package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/providers"
)

// Drill is a trial restore of a backup.
type Drill struct {
	Backup providers.BackupID `json:"backup"`
	// URL is the base URL of the instance that was backed up.
	URL string `json:"url"`
	// At is when it began, Duration how long all of it took.
	At       time.Time     `json:"at"`
	Duration time.Duration `json:"duration_ns"`
	// Proven is true when everything in the backup was restored as a restore
	// would do it, and nothing differed.
	Proven bool `json:"proven"`
	// Tool is the version of bkp, Archive the address of what it was restored
	// from, "" for the working copy.
	Tool    string `json:"tool"`
	Archive string `json:"archive,omitempty"`
	// Database says what was done with it.
	Database DrilledDatabase `json:"database"`
	// Named is how many repositories the database names, Repositories how many
	// the home holds, and Checked how many of those git has read.
	Named        int `json:"named_repositories"`
	Repositories int `json:"repositories"`
	Checked      int `json:"checked_repositories"`
	// Replicas is how many replicas the Mesh nodes hold, which Checked counts, too.
	Replicas int `json:"replicas,omitempty"`
	// Differences are what is wrong.
	Differences []string `json:"differences,omitempty"`
	// Tolerated are differences between the database and the home that Bitbucket
	// itself settles after a restore, of a backup that was made while users worked.
	Tolerated []string `json:"tolerated,omitempty"`
	// NotImitated are in what the restore on trial was unlike a real one: a
	// sentence each, with what to do about it.
	NotImitated []string `json:"not_imitated,omitempty"`
}

// DrilledDatabase says what a drill did with the database.
type DrilledDatabase string

// What a drill can do with the database.
const (
	// DatabaseRestored was restored into a scratch server, and its repositories
	// were compared with those of the home.
	DatabaseRestored DrilledDatabase = "restored"
	// DatabaseNotRestored could not be restored.
	DatabaseNotRestored DrilledDatabase = "not restored"
	// DatabaseInHome came with the home; nothing but Bitbucket reads it.
	DatabaseInHome DrilledDatabase = "in the home, not read"
	// DatabaseNone is not part of the backup.
	DatabaseNone DrilledDatabase = "not in the backup"
	// DatabaseLeftOut was left out because the operator said so.
	DatabaseLeftOut DrilledDatabase = "left out"
)

func (c Catalog) drillDir() string { return filepath.Join(c.Dir, "drills") }

func (c Catalog) drillPath(id providers.BackupID) string {
	return filepath.Join(c.drillDir(), string(id)+".json")
}

// PutDrill records a drill in place of an earlier one of the same backup. It
// outlives the backup for as long as it is the last that proved something of
// the instance.
func (c Catalog) PutDrill(d Drill) error {
	if _, err := providers.ParseBackupID(string(d.Backup)); err != nil {
		return err
	}
	if err := os.MkdirAll(c.drillDir(), 0o700); err != nil {
		return err
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(c.drillPath(d.Backup), append(b, '\n')); err != nil {
		return err
	}
	return c.forgetDrills(d)
}

// forgetDrills removes drills of the instance whose backup is not listed any
// more, once a newer one is proven.
func (c Catalog) forgetDrills(last Drill) error {
	if !last.Proven {
		return nil
	}
	drills, _ := c.drills()
	for _, d := range drills {
		if d.Backup == last.Backup || !d.of(last.Backup.Instance(), last.URL) {
			continue
		}
		if _, err := os.Lstat(c.path(d.Backup)); errors.Is(err, os.ErrNotExist) {
			if err := os.Remove(c.drillPath(d.Backup)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Drill returns the last drill of a backup; nil if there was none.
func (c Catalog) Drill(id providers.BackupID) (*Drill, error) {
	b, err := host.ReadRegular(c.drillPath(id), maxEntry)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var d Drill
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", c.drillPath(id), err)
	}
	if d.Backup != id {
		return nil, fmt.Errorf("%s is about %q", c.drillPath(id), d.Backup)
	}
	return &d, nil
}

func (d Drill) of(instance, url string) bool { return d.Backup.Instance() == instance && d.URL == url }

// LastProven returns the newest drill that proved a backup of the instance of
// this name at this base URL; nil if there was none.
func (c Catalog) LastProven(instance, url string) (*Drill, error) {
	all, err := c.Proven()
	if d, ok := all[Subject{instance, url}]; ok {
		return &d, err
	}
	return nil, err
}

// Subject is an instance as backups and drills are of it.
type Subject struct{ Instance, URL string }

// Proven returns the newest drill that proved a backup, for each instance that
// has one.
func (c Catalog) Proven() (map[Subject]Drill, error) {
	drills, err := c.drills()
	out := map[Subject]Drill{}
	for _, d := range drills {
		of := Subject{d.Backup.Instance(), d.URL}
		if last, ok := out[of]; d.Proven && (!ok || d.At.After(last.At)) {
			out[of] = d
		}
	}
	return out, err
}

func (c Catalog) drills() ([]Drill, error) {
	files, err := os.ReadDir(c.drillDir())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var out []Drill
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".json")
		id, perr := providers.ParseBackupID(name)
		if !ok || perr != nil {
			continue
		}
		d, derr := c.Drill(id)
		if derr != nil {
			err = errors.Join(err, derr)
		} else if d != nil {
			out = append(out, *d)
		}
	}
	return out, err
}
