package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bkp/internal/engine/walk"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/providers"
)

const (
	damaged       = "working copy is damaged"
	damagedRemedy = "look for errors of the disk under the working copy, in the kernel's log and in its SMART values, and for programs that write there. " +
		"The next run copies these files again:\n\n    bkp apply"
)

// records opens what the strategies recorded of m's trees; the caller closes
// them, also after an error. A tree without a record is stored as it is, with a
// warning.
func (r *Run) records(ctx context.Context, m providers.Manifest) (providers.Records, error) {
	r.recording.Lock()
	defer r.recording.Unlock()
	out := providers.Records{}
	for _, a := range m.Artifacts {
		s, ok := providers.As[providers.Recorder](r.Strategies[a.Address])
		if !ok || len(a.Trees) == 0 {
			continue
		}
		var record providers.Record
		err := walk.Guard(func() (err error) { record, err = s.Record(ctx, a); return err })
		if ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
		if err != nil {
			r.emit(event.Event{Kind: event.Warning, Address: a.Address, Message: "what is stored cannot be compared with what was copied: " + err.Error()})
			continue
		}
		out[a.Address] = record
	}
	return out, nil
}

func (r *Run) closeRecords(records providers.Records) {
	r.recording.Lock()
	defer r.recording.Unlock()
	for _, record := range records {
		_ = walk.Guard(record.Close) // it was only read
	}
}

// reject ends a backup whose tree does not hold what was copied: storing it
// again would fail again. What archives had stored before stays. Only when it
// cannot be resumed any more is the damage taken out of the record, for without
// a record it would be stored.
func (r *Run) reject(m providers.Manifest, damages []*providers.DamageError, cause error) (providers.Manifest, error) {
	became := ErrLost
	if m.Archived() {
		became = ErrAfterCapture
	}
	failure := fmt.Errorf("%w: %w", became, cause)
	if !slices.ContainsFunc(damages, func(d *providers.DamageError) bool { return d.Cause != nil }) {
		failure = problem.Wrap(failure, damaged, damagedRemedy)
	}
	var aftermath []error
	if m.Archived() {
		aftermath = append(aftermath, r.Catalog.Put(catalog.Entry{Manifest: m, Status: catalog.Complete, Error: cause.Error()}))
		r.tidy(m)
	} else {
		aftermath = append(aftermath, r.Catalog.Remove(m.ID))
	}
	if errors.Join(aftermath...) == nil {
		for _, damage := range damages {
			aftermath = append(aftermath, r.distrust(m, damage))
		}
	}
	if !m.Archived() {
		aftermath = append(aftermath, r.throwAway(m))
		m = providers.Manifest{}
	}
	aftermath = append(aftermath, r.Journal.Sync(journal.Record{Type: journal.RunFailed, Error: cause.Error()}))
	return m, withAftermath(failure, errors.Join(aftermath...))
}

// distrust lets the next live pass copy again what differs.
func (r *Run) distrust(m providers.Manifest, damage *providers.DamageError) error {
	s, ok := providers.As[providers.Recorder](r.Strategies[damage.Address])
	a, known := m.Artifact(damage.Address)
	if !ok || !known {
		return nil
	}
	return walk.Guard(func() error { return s.Distrust(r.Cleanup, a, damage.Folders) })
}

// throwAway removes what capturing and storing left of a backup that no archive
// has.
func (r *Run) throwAway(m providers.Manifest) error {
	err := r.forget(r.Cleanup, catalog.Entry{Manifest: m, Status: catalog.Superseded})
	for address, a := range r.Archives {
		if e := walk.Guard(func() error { return a.Discard(r.Cleanup, m.ID) }); e != nil {
			err = errors.Join(err, fmt.Errorf("%s could not be cleaned up: %w", address, e))
		}
	}
	return err
}
