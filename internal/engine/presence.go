package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/engine/planner"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/lang"
	"bkp/providers"
)

// holding is what an archive holds now.
type holding struct {
	list     []providers.Manifest
	findings []providers.Finding
	err      error
}

// has reports whether the backup is there and whole as far as its manifest says,
// and what is wrong otherwise.
func (h holding) has(id providers.BackupID) (fault string, ok bool) {
	for _, m := range h.list {
		if m.ID == id {
			return "", true
		}
	}
	if h.err != nil {
		return "unknown", false
	}
	for _, f := range h.findings {
		if strings.Contains(f.Detail, string(id)) {
			return damagedState, false
		}
	}
	return "missing", false
}

// place distinguishes archives: several instances may share a destination.
func place(a planner.Archive) string {
	return cmp.Or(a.Archiver.Destination().Name, a.Address)
}

func held(ctx context.Context, a planner.Archive) holding {
	list, findings, err := a.Archiver.List(ctx)
	return holding{list, findings, err}
}

// damagedState is the state of an archive whose backup is damaged.
const damagedState = "damaged"

// Fault is what is wrong with a stored backup in one archive.
type Fault struct {
	Archive string `json:"archive"`
	// State is "missing", "damaged", or "unknown" when the archive cannot be read.
	State string `json:"state"`
}

// Faults looks which backups are not where the catalog says that they are, and
// shows what the archives themselves complain of. What this shell or machine
// does not know of the configuration is passed over.
func (eng *Engine) Faults(ctx context.Context, entries []catalog.Entry) map[providers.BackupID][]Fault {
	out := map[providers.BackupID][]Fault{}
	for _, i := range eng.Config.Instances {
		mine := eng.storedOf(i, entries)
		if len(mine) == 0 {
			continue
		}
		o, err := eng.open(i, event.Discard{}, 1)
		if err != nil {
			eng.warnOf(fmt.Errorf("the archives of %s were not read: %w", i.Address, err))
			continue
		}
		for _, a := range o.shelves() {
			if len(eng.Config.Open()[a.Address]) == 0 {
				eng.addFaults(out, a, mine, held(ctx, a))
			}
		}
		o.close()
	}
	return out
}

func (eng *Engine) addFaults(out map[providers.BackupID][]Fault, a planner.Archive, entries []catalog.Entry, now holding) {
	eng.warnOfArchive(a, now)
	for _, e := range entries {
		if !storedIn(e.Manifest, a.Address) {
			continue
		}
		state, ok := now.has(e.Manifest.ID)
		switch {
		case !ok:
			out[e.Manifest.ID] = append(out[e.Manifest.ID], Fault{a.Address, state})
		case e.DamagedIn(a.Address):
			out[e.Manifest.ID] = append(out[e.Manifest.ID], Fault{a.Address, damagedState})
		}
	}
}

// warnOfArchive shows what an archive complains of.
func (eng *Engine) warnOfArchive(a planner.Archive, now holding) {
	for _, f := range now.findings {
		eng.warn(a.Address+": "+f.Summary+": "+f.Detail, f.Remedy)
	}
	if now.err != nil {
		eng.warn(a.Address+" cannot be read: "+now.err.Error(), problem.Remedy(now.err))
	}
}

// storedOf are the backups of an instance that the catalog knows in an archive.
func (eng *Engine) storedOf(i *lang.Instance, entries []catalog.Entry) []catalog.Entry {
	var out []catalog.Entry
	for _, e := range entries {
		if e.Status == catalog.Complete && e.Manifest.Archived() && eng.owns(i, e.Manifest) {
			out = append(out, e)
		}
	}
	return out
}

// owns reports whether m is a backup of the instance. A URL that this shell does
// not know decides nothing.
func (eng *Engine) owns(i *lang.Instance, m providers.Manifest) bool {
	return m.Instance == i.Name && (slices.Contains(eng.Config.Open()[i.Address], "url") || m.URL == i.URL)
}

// Elsewhere reports whether m is a backup of an instance that the configuration
// has by its name, and at another URL.
func (eng *Engine) Elsewhere(m providers.Manifest) bool {
	i, ok := eng.Config.Instance(m.Instance)
	return ok && !eng.owns(i, m)
}

func storedIn(m providers.Manifest, archive string) bool {
	for _, st := range m.Stored {
		if st.Archive == archive && st.Keeps() {
			return true
		}
	}
	return false
}

// vanished refuses to believe that all backups are gone at once: a disk that is
// not mounted looks the same. The archive has been read without an error.
func (eng *Engine) vanished(a planner.Archive, entries []catalog.Entry, now holding) error {
	known := 0
	for _, e := range entries {
		if storedIn(e.Manifest, a.Address) {
			known++
		}
	}
	if known == 0 || len(now.list) > 0 || len(now.findings) > 0 {
		return nil
	}
	at := a.Archiver.Destination()
	at.Name = place(a)
	return planner.Vanished(at, known)
}

// mounted refuses to add a backup to a folder that holds none of those that it should
// hold. An archive that cannot be read is reported by its check.
func (eng *Engine) mounted(ctx context.Context, a planner.Archive, i *lang.Instance) error {
	if a.Archiver.Destination().Folder == "" {
		return nil
	}
	now := held(ctx, a)
	if now.err != nil {
		return nil //nolint:nilerr // the check of the archive reports it
	}
	entries, _ := eng.Catalog().List()
	return eng.vanished(a, eng.storedOf(i, entries), now)
}
