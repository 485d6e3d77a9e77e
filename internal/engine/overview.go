package engine

import (
	"os"
	"slices"
	"time"

	"bkp/internal/engine/overview"
	"bkp/internal/engine/planner"
	"bkp/internal/engine/prune"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/records/catalog"
	"bkp/internal/records/retention"
	"bkp/lang"
	"bkp/providers"
)

// Overview is how instances stand, from the configuration and the state folder alone:
// Bitbucket and the archives are not asked. It holds no secret.
func (eng *Engine) Overview(names []string) (overview.Page, error) {
	instances, err := eng.Instances(names)
	if err != nil {
		return overview.Page{}, err
	}
	name, _ := os.Hostname()
	page := overview.Page{Event: "report", Made: time.Now().UTC(), Tool: eng.Version, Host: name, Folder: eng.Config.Dir}
	for _, i := range instances {
		known, err := eng.knownOf(i, page.Made)
		if err != nil {
			return page, err
		}
		of, err := overview.Of(known)
		if err != nil {
			return page, err
		}
		page.Instances = append(page.Instances, of)
	}
	return page, nil
}

// knownOf is what configuration and records say of an instance.
func (eng *Engine) knownOf(i *lang.Instance, now time.Time) (overview.Known, error) {
	st := eng.standingOf(i)
	k := overview.Known{
		Name: i.Name, URL: i.URL, Now: now, Backups: st.Backups, Drills: map[providers.BackupID]catalog.Drill{},
		Proven: st.Proven, MaxProofAge: st.MaxProofAge, Last: st.Last, MayBeLocked: st.MayBeLocked,
	}
	unread := func(what string, err error) {
		if err != nil {
			k.Unread = append(k.Unread, what+" cannot be read: "+err.Error())
		}
	}
	_, bad := eng.Catalog().List()
	for _, err := range bad {
		unread("A backup on the list", err)
	}
	for _, e := range k.Backups {
		d, err := eng.Catalog().Drill(e.Manifest.ID)
		unread("A drill", err)
		if d != nil {
			k.Drills[e.Manifest.ID] = *d
		}
	}
	pins, err := eng.Catalog().Pins()
	unread("A pin", err)
	held := prune.Collect(pins, k.Proven, k.Backups, now)
	o, err := eng.open(i, event.Discard{}, 1)
	if err != nil {
		return k, err
	}
	defer o.close()
	for _, p := range o.parts {
		if home := p.Strategy.Paths().Home; home != "" && p.On == "" && eng.isKnown(p.Address) {
			if space, err := (&host.Host{}).Space(home); err == nil {
				k.HomeOn = space.Filesystem
			}
		}
	}
	for _, a := range o.shelves() {
		k.Shelves = append(k.Shelves, eng.shelfOf(a, k.Backups, held))
	}
	return k, nil
}

// isKnown reports whether this shell knows all that a component is configured with.
func (eng *Engine) isKnown(address string) bool { return len(eng.Config.Open()[address]) == 0 }

// shelfOf is an archive with what lies in it, as far as the list knows.
func (eng *Engine) shelfOf(a planner.Archive, backups []catalog.Entry, held prune.Known) overview.Shelf {
	s := overview.Shelf{Address: a.Address, Strategy: a.Definition.Name(), Place: overview.Unknown}
	if eng.isKnown(a.Address) {
		at := a.Archiver.Destination()
		s.Destination, s.Protected = at.Name, at.Protected
		s.Place, s.On = placeOf(at)
	}
	if a.Retention == nil {
		return s
	}
	s.Retention, s.Policy = a.Retention.Address, a.Retention.Policy
	s.Items = []retention.Item{}
	for _, e := range backups {
		if _, ok := e.Manifest.In(a.Address); ok {
			s.Items = append(s.Items, held.Item(e.Manifest, a.Address))
		}
	}
	slices.SortFunc(s.Items, func(a, b retention.Item) int { return b.Time.Compare(a.Time) })
	return s
}

// placeOf says where a destination is, and on which storage.
func placeOf(at providers.Destination) (overview.Place, string) {
	switch {
	case at.Name == "":
		return overview.InPlace, ""
	case at.Folder == "":
		return overview.Service, at.Name
	}
	space, err := (&host.Host{}).Space(at.Folder)
	switch {
	case err != nil:
		return overview.Unknown, ""
	case space.Shared != "":
		return overview.Share, space.Filesystem
	}
	return overview.Here, space.Filesystem
}
