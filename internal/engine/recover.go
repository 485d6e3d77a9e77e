package engine

import (
	"context"
	"fmt"
	"slices"

	"bkp/internal/engine/recovery"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/providers"
)

// Recover finishes what runs that were killed left behind, before a new one
// begins, and returns how many there were. The caller holds the run lock.
func (eng *Engine) Recover(ctx context.Context) (found int, err error) {
	runs, unreadable := journal.Unfinished(eng.journalDir())
	defer func() { eng.recovered(ctx, runs, err) }()
	// Users first, and then whatever takes time.
	_, err = eng.releaseAll(ctx, runs, "")
	if err := problem.Join(err, UnreadableJournal(unreadable)); err != nil {
		return len(runs), err
	}
	if len(runs) > 0 {
		if err := eng.Catalog().Clean(); err != nil {
			return len(runs), err
		}
	}
	for _, r := range runs {
		if eng.foreign(r) {
			eng.warn(fmt.Sprintf("run %s of instance %s at %s was interrupted, and what it left is not cleaned up: this configuration has another URL for that instance", r.ID, r.Instance, r.URL),
				"run bkp recover with the configuration, or the file of values, that made the run")
			continue
		}
		if err := eng.markStored(ctx, r); err != nil {
			return len(runs), err
		}
		if err := eng.discardRun(ctx, r); err != nil {
			return len(runs), err
		}
		eng.note("run %s was interrupted; what it left was cleaned up", r.ID)
	}
	return len(runs), nil
}

// discardRun discards what an interrupted run started. The sessions with other
// machines end with it: they have what the run that follows needs.
func (eng *Engine) discardRun(ctx context.Context, r journal.Run) error {
	find, done := eng.finder(r)
	defer done()
	return recovery.Discard(ctx, eng.journalDir(), r, find)
}

// foreign reports whether a run was of an instance that the configuration has by
// its name, and at another URL, as two environments have that share a state
// folder. Its working copy is not that of the instance.
func (eng *Engine) foreign(r journal.Run) bool {
	inst, ok := eng.Config.Instance(r.Instance)
	return ok && r.URL != "" && inst.URL != r.URL
}

// markStored puts a backup on the list as stored if it was stored when its run was
// interrupted, before the catalog was updated.
func (eng *Engine) markStored(ctx context.Context, r journal.Run) error {
	e, err := eng.Catalog().Get(r.ID)
	if err != nil || e.Status != catalog.Captured {
		return nil // there is nothing good, or nothing to add
	}
	inst, ok := eng.Config.Instance(r.Instance)
	if !ok {
		return nil
	}
	o, err := eng.open(inst, event.Discard{}, 1)
	if err != nil {
		return err
	}
	defer o.close()
	found, all := false, true
	for _, a := range o.archives {
		list, _, err := a.Archiver.List(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(m providers.Manifest) bool { return m.ID == r.ID })
		if i < 0 {
			all = false
			continue
		}
		if stored, ok := list[i].In(a.Address); ok {
			e.Manifest, found = e.Manifest.With(stored), true
		}
	}
	if !found {
		return nil
	}
	if all {
		e.Status, e.Error = catalog.Complete, ""
	}
	return eng.Catalog().Put(e)
}

// kept is a component whose traces stay: they are the only copy of a good
// backup.
type kept struct{ providers.Strategy }

// Discard implements recovery.Discarder.
func (k kept) Discard(ctx context.Context, _ providers.BackupID) error {
	return k.Sweep(ctx)
}

// holds returns a function that reports whether what a component made for a run
// must stay, because a backup on the list needs it.
func (eng *Engine) holds(id providers.BackupID) func(address string) bool {
	e, err := eng.Catalog().Get(id)
	if err != nil {
		return func(string) bool { return false }
	}
	return e.Holds
}

// finder opens the components that a run had started; done closes them.
func (eng *Engine) finder(r journal.Run) (find func(string) recovery.Discarder, done func()) {
	found, holds := map[string]recovery.Discarder{}, eng.holds(r.ID)
	done = func() {}
	for _, i := range eng.Config.Instances {
		if i.Name != r.Instance {
			continue
		}
		o, err := eng.open(i, event.Discard{}, 1)
		if err != nil {
			continue
		}
		done = o.close
		for address, st := range o.strategies {
			found[address] = st
			if holds(address) {
				found[address] = kept{st}
			}
		}
		for address, a := range o.archivers {
			found[address] = a
		}
	}
	return func(address string) recovery.Discarder {
		if d, ok := found[address]; ok {
			return d
		}
		return nil
	}, done
}
