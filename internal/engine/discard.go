package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bkp/internal/engine/apply"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// GiveUp removes what is left of a backup that was captured and never stored, and
// takes it off the list; one that an archive holds whole stays there. With forget it
// goes off the list even if something cannot be removed, which is then a warning.
// It may be called again after an error. The caller holds the run lock.
func (eng *Engine) GiveUp(ctx context.Context, id providers.BackupID, forget bool) error {
	e, err := eng.Catalog().Get(id)
	if err != nil {
		return err
	}
	if e.Status != catalog.Captured {
		return problem.New("nothing to discard", fmt.Sprintf("backup %s is %s", id, e.Status), "remove backups that are stored by their retention:\n\n    bkp prune")
	}
	m := e.Manifest
	if m.Archived() {
		if err := apply.Whole(m); err != nil {
			return problem.Wrap(err, "an archive holds a part of the backup", "finish it:\n\n    bkp apply --resume "+string(id))
		}
		e.Status, e.Error = catalog.Complete, "given up before every archive had it"
	}
	left := eng.discardAll(ctx, e)
	if ctx.Err() != nil {
		return interruptedBy(ctx, context.Cause(ctx))
	}
	if err := errors.Join(left...); err != nil {
		if !forget {
			return problem.Wrap(err, "what is left of the backup cannot be removed",
				"fix the cause, then discard it again. If its storage is gone for good, take it off the list; what is left there stays:\n\n    bkp discard --forget "+string(id))
		}
		eng.warn("not removed: "+err.Error(), "remove it by hand: bkp does not know of it any more")
	}
	if m.Archived() {
		return eng.Catalog().Put(e)
	}
	return eng.Catalog().Remove(id)
}

// discardAll lets every component remove what it made for a backup that stays
// nowhere, and returns what cannot be removed.
func (eng *Engine) discardAll(ctx context.Context, e catalog.Entry) (left []error) {
	m := e.Manifest
	inst, ok := eng.Config.Instance(m.Instance)
	if !ok || inst.URL != m.URL {
		return []error{fmt.Errorf("the configuration has no instance %s at %s", m.Instance, m.URL)}
	}
	o, err := eng.open(inst, event.Discard{}, 1)
	if err != nil {
		return []error{err}
	}
	defer o.close()
	stored := e.Status == catalog.Complete
	for _, a := range m.Artifacts {
		if stored && e.Holds(a.Address) {
			continue
		}
		s, ok := o.strategies[a.Address]
		if !ok {
			left = append(left, fmt.Errorf("the configuration does not have %s any more", a.Address))
			continue
		}
		if err := s.Discard(ctx, m.ID); err != nil {
			left = append(left, fmt.Errorf("%s: %w", a.Address, err))
		}
	}
	for address, a := range o.archivers { // what storing left, not what was stored
		if err := a.Discard(ctx, m.ID); err != nil {
			left = append(left, fmt.Errorf("%s: %w", address, err))
		}
	}
	return left
}

// WarnOfUnfinished warns of backups that were captured, and that no run goes on
// with by itself.
func (eng *Engine) WarnOfUnfinished() {
	entries, _ := eng.Catalog().List()
	for _, e := range entries {
		m := e.Manifest
		if e.Status != catalog.Captured || m.InPlace() {
			continue // the next run makes what is in place anew
		}
		if inst, ok := eng.Config.Instance(m.Instance); !ok || inst.URL != m.URL {
			continue
		}
		why, _, _ := strings.Cut(e.Error, "\n")
		eng.warn(fmt.Sprintf("backup %s was captured and is not finished: %s", m.ID, why), unfinishedRemedy(m.ID))
	}
}

// unfinishedRemedy is what to do about a backup that was captured.
func unfinishedRemedy(id providers.BackupID) string {
	return "continue once the cause is fixed; users are not locked out again:\n\n    bkp apply --resume " + string(id) +
		"\n\nOr give the backup up:\n\n    bkp discard " + string(id)
}
