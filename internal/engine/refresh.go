package engine

import (
	"context"
	"slices"

	"bkp/internal/engine/planner"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/lang"
	"bkp/providers"
)

// Refresh adds what the archives hold to the catalog, and takes off it what no
// archive holds any more. One instance whose archives cannot be read does not
// keep the others from it. An archive that holds none of the backups that it should
// hold is an error, unless forget is set: its disk may not be mounted.
func (eng *Engine) Refresh(ctx context.Context, forget bool) error {
	rebuilt := map[string]bool{}
	var failed error
	for _, i := range eng.Config.Instances {
		failed = problem.Join(failed, eng.refreshOne(ctx, i, rebuilt, forget))
		if ctx.Err() != nil {
			break
		}
	}
	return failed
}

func (eng *Engine) refreshOne(ctx context.Context, i *lang.Instance, rebuilt map[string]bool, forget bool) error {
	cat := eng.Catalog()
	o, err := eng.open(i, event.Discard{}, 1)
	if err != nil {
		return err
	}
	defer o.close()
	entries, _ := cat.List() // before the archives: a run may be under way
	mine := eng.storedOf(i, entries)
	there, complete, err := eng.addStored(ctx, cat, o, mine, rebuilt, forget)
	if err != nil || !complete {
		return err // what cannot be read may still be there
	}
	for _, e := range mine {
		if storedOnly(e.Manifest, o) && !slices.Contains(there, e.Manifest.ID) {
			if err := cat.Remove(e.Manifest.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// storedOnly reports whether all archives that should hold m were looked at.
func storedOnly(m providers.Manifest, o *opened) bool {
	for _, st := range m.Stored {
		if _, ok := o.shelf(st.Archive); !ok {
			return false
		}
	}
	return m.Archived()
}

func (eng *Engine) addStored(ctx context.Context, cat catalog.Catalog, o *opened, mine []catalog.Entry, rebuilt map[string]bool, forget bool) (there []providers.BackupID, complete bool, err error) {
	complete = true
	for _, a := range o.shelves() {
		if err := eng.rebuild(ctx, a, rebuilt); err != nil {
			return nil, false, err
		}
		now := held(ctx, a)
		if now.err != nil {
			return nil, false, now.err
		}
		if err := eng.vanished(a, mine, now); err != nil {
			if forget {
				err = forgetIn(cat, a.Address, mine)
			}
			if err != nil {
				return nil, false, err
			}
		}
		complete = complete && len(now.findings) == 0 // archiveFaults shows them
		for _, m := range now.list {
			if m.Instance != o.instance.Name {
				continue
			}
			there = append(there, m.ID)
			if err := add(cat, m); err != nil {
				return nil, false, err
			}
		}
	}
	return there, complete, nil
}

// forgetIn records that an archive holds none of the backups; others may.
func forgetIn(cat catalog.Catalog, archive string, entries []catalog.Entry) error {
	for _, e := range entries {
		if !storedIn(e.Manifest, archive) {
			continue
		}
		if err := cat.RemoveFrom(e.Manifest.ID, archive); err != nil {
			return err
		}
	}
	return nil
}

// add puts a backup on the list, or on its entry where else it is stored.
func add(cat catalog.Catalog, m providers.Manifest) error {
	e, err := cat.Get(m.ID)
	if err != nil {
		return cat.Put(catalog.Entry{Manifest: m, Status: catalog.Complete})
	}
	known := func(s providers.Stored) bool {
		_, ok := e.Manifest.In(s.Archive)
		return ok
	}
	if e.Status != catalog.Complete || !slices.ContainsFunc(m.Stored, func(s providers.Stored) bool { return !known(s) }) {
		return nil
	}
	for _, s := range m.Stored {
		if !known(s) {
			e.Manifest = e.Manifest.With(s)
		}
	}
	return cat.Put(e)
}

// rebuild makes manifests again that an archive has lost, of all instances, once
// for each destination.
func (eng *Engine) rebuild(ctx context.Context, a planner.Archive, rebuilt map[string]bool) error {
	if rebuilt[place(a)] {
		return nil
	}
	rebuilt[place(a)] = true
	made, findings, err := a.Archiver.Rebuild(ctx)
	for _, id := range made {
		eng.note("%s: the manifest of %s was lost; it is rebuilt from its parts", a.Address, id)
	}
	for _, f := range findings {
		eng.warn(f.Summary+": "+f.Detail, f.Remedy)
	}
	return interruptedBy(ctx, err)
}
