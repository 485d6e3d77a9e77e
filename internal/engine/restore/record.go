package restore

import (
	"context"
	"path/filepath"
	"time"

	"bkp/internal/engine/stage"
	"bkp/internal/event"
	"bkp/providers"
)

// RecordPath is where the record of a restore lies in a state folder.
func RecordPath(state string) string { return filepath.Join(state, "restore.json") }

// leavings are what the restore will make for a while.
func (p Plan) leavings() (stage.Record, error) {
	r := stage.Record{Backup: p.ID}
	for _, part := range p.Parts {
		if isStored(part) {
			r.Unpack(p.stageOf(part))
		}
		r.Paths = append(r.Paths, part.Restorer.Leavings(part.Artifact)...)
		if part.On == "" {
			continue
		}
		work, err := filepath.Rel(p.StateDir, part.WorkDir)
		if err != nil {
			return r, err
		}
		r.Elsewhere(stage.There{Backup: p.ID, On: part.On, Work: work})
	}
	return r, nil
}

// remember records what the restore will make for a while, before any of it is
// there.
func (p Plan) remember() (stage.Record, error) {
	r, err := p.leavings()
	if err != nil {
		return r, err
	}
	return r, stage.Remember(RecordPath(p.StateDir), r)
}

// tidyTimeout bounds what is removed on other machines at the end of a restore: an
// agent that has lost its connection may be cleaning up itself.
const tidyTimeout = 3 * time.Minute

// forget removes what was recorded. What cannot be removed stays on record, and
// is no failure of a restore. Nothing waits for another machine once patience has
// ended.
func (p Plan) forget(ctx, patience context.Context, r stage.Record, sink event.Sink) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTimeout)
	defer cancel()
	defer context.AfterFunc(patience, cancel)()
	_, err := Clean(p.StateDir, func(t stage.There) error {
		if !r.Names(t) || p.Tidy == nil { // of an earlier restore: who began this one has tried
			return stage.ErrLater
		}
		return p.Tidy(ctx, t)
	})
	if err != nil {
		sink.Emit(event.Event{Time: time.Now(), Kind: event.Warning, Message: "not everything that was unpacked could be removed; bkp recover tries again: " + err.Error()})
	}
}

// Clean removes what a restore left that was killed, and returns its backup; ""
// when there was none. What had its place by then stays. there removes what a
// component left on another machine. The caller holds the run lock of the state
// folder: no restore is under way.
func Clean(state string, there func(stage.There) error) (providers.BackupID, error) {
	r, err := stage.Clean(RecordPath(state), there)
	return r.Backup, err
}
