package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"bkp/internal/engine/apply"
	"bkp/internal/engine/guardian"
	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/internal/engine/watch"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/providers"
)

// newApply opens a run. done ends what was opened; it waits until view has all events.
func (eng *Engine) newApply(w *watched, id providers.BackupID, pl plan.Plan, j *journal.Journal, view event.Sink, parallelism int) (*apply.Run, func(), error) {
	w.run = id
	log, err := eng.logFile(id)
	if err != nil {
		return nil, nil, err
	}
	queue := event.NewQueue(of{view, w.instance.Name})
	sink := watch.NewTotals(w.beside(queue))
	o, err := eng.openWith(w.instance, sink, parallelism, log)
	done := func() {
		queue.Close()
		if o != nil {
			o.close()
		}
		_ = log.Close()
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return &apply.Run{
		Asked: o.instance.Addresses()[0],
		ID:    id, Tool: eng.Version, Plan: pl, Instance: o.client, Strategies: o.strategies, Archives: o.archivers,
		Guard:   eng.guard(o, id, log.Name()),
		Journal: j, Catalog: eng.Catalog(), Sink: tee{sink, log}, Counted: sink.Counted, Parallelism: parallelism, Cleanup: eng.Hurry,
	}, done, nil
}

// explain adds the way on to a backup that was captured but not stored.
func (eng *Engine) explain(id providers.BackupID, err error) error {
	if errors.Is(err, apply.ErrLost) && problem.Remedy(err) == "" {
		return problem.Wrap(err, "no backup was made", "fix the cause, then run again; nothing of this run is left:\n\n    bkp apply")
	}
	if !errors.Is(err, apply.ErrAfterCapture) {
		return err
	}
	var damage *providers.DamageError
	if errors.As(err, &damage) {
		return err // it says what there is to do
	}
	e, cerr := eng.Catalog().Get(id)
	switch {
	case cerr != nil || e.Status != catalog.Captured:
		return err
	}
	remedy := unfinishedRemedy(id)
	if cause := problem.Remedy(err); cause != "" {
		remedy = strings.TrimRight(cause, "\n") + "\n\nThen " + remedy
	}
	return problem.Wrap(err, "the backup is not stored yet", remedy)
}

// Resume goes on with a backup that was captured. The caller holds the run lock.
func (eng *Engine) Resume(ctx context.Context, id providers.BackupID) (err error) {
	e, err := eng.Catalog().Get(id)
	if err != nil {
		return err
	}
	if e.Status != catalog.Captured {
		return problem.New("nothing to resume", fmt.Sprintf("backup %s is %s", id, e.Status), "make a new one:\n\n    bkp apply")
	}
	inst, ok := eng.Config.Instance(e.Manifest.Instance)
	if !ok {
		return eng.noInstance(e.Manifest.Instance)
	}
	view, closeView := eng.Front.Sink(false)
	defer closeView()
	w := eng.watch(ctx, inst, providers.OfBackup, nil, toView(view, inst.Name))
	defer func() { w.end(ctx, err) }()
	pl, err := eng.planStore(ctx, e.Manifest)
	if err != nil {
		return err
	}
	j, err := journal.Open(eng.journalDir(), id)
	if err != nil {
		return err
	}
	defer func() { _ = j.Close() }()
	run, done, err := eng.newApply(w, id, pl, j, view, 1)
	if err != nil {
		return err
	}
	defer done()
	result, err := run.Resume(ctx, e.Manifest)
	return eng.ended(ctx, run, result, err)
}

// planStore lays out the storing of what was captured. The instance is not
// looked at: it may be down or locked, and nothing is asked of it.
func (eng *Engine) planStore(ctx context.Context, m providers.Manifest) (plan.Plan, error) {
	instances, err := eng.Instances([]string{m.Instance})
	if err != nil {
		return plan.Plan{}, err
	}
	o, err := eng.open(instances[0], event.Discard{}, 1)
	if err != nil {
		return plan.Plan{}, err
	}
	defer o.close()
	result, err := planner.Store(ctx, eng.request(o, records{}), m)
	if err != nil {
		return plan.Plan{}, interruptedBy(ctx, err)
	}
	return result.Plan, eng.found(result.Findings)
}

// of names the instance of a run in its events.
type of struct {
	event.Sink

	instance string
}

// Emit implements event.Sink.
func (o of) Emit(e event.Event) {
	e.Instance = o.instance
	o.Sink.Emit(e)
}

// tee writes a run's events to its log as well.
type tee struct {
	event.Sink
	log io.Writer
}

// Emit implements event.Sink.
func (t tee) Emit(e event.Event) {
	t.Sink.Emit(e)
	if e.Kind != event.StepProgress {
		_, _ = fmt.Fprintf(t.log, "%s %s %s %s %s\n", e.Time.UTC().Format(time.RFC3339Nano), e.Kind, e.Node, e.Message, e.Error)
	}
}

// guardGrace is how long after the end of its budget a run may still be busy
// with the unlock before it counts as hung. With a short budget it is as long as
// that: an operator who promises users five seconds does not mean half a minute more.
const guardGrace = 30 * time.Second

func hungAfter(budget time.Duration) time.Duration { return budget + min(guardGrace, budget) }

// guard starts the process that unlocks if this one dies.
func (eng *Engine) guard(o *opened, id providers.BackupID, log string) func(context.Context) (apply.Guard, error) {
	i := o.instance
	return func(ctx context.Context) (apply.Guard, error) {
		return guardian.Start(ctx, guardian.Watch{
			Instance: guardian.Instance{URL: i.Addresses()[0], Username: i.Username, Password: i.Password, Token: i.Token, CAFile: i.TLS.CAFile},
			Run:      id, Journal: eng.journalDir(), Log: log, Within: hungAfter(i.Lock.Budget), Waits: eng.guardianDir(), Undo: o.undo(id),
		})
	}
}

// instants are the points in time of a backup's parts, by address.
func instants(m providers.Manifest) map[string]time.Time {
	out := map[string]time.Time{}
	for _, a := range m.Artifacts {
		out[a.Address] = a.PointInTime
	}
	return out
}

// ended emits the summary of a run, which always names the lock window.
func (eng *Engine) ended(ctx context.Context, run *apply.Run, result apply.Result, err error) error {
	window := result.Window
	message := "no backup was made; the instance was not locked"
	switch {
	case errors.Is(err, apply.ErrMayBeLocked):
		message = "no backup was made; the instance may still be locked"
	case window.Total > 0:
		message = fmt.Sprintf("no backup was made; lock window %s", event.Duration(window.Total))
	}
	if err == nil || result.Manifest.ID != "" {
		message = fmt.Sprintf("backup %s: lock window %s", run.ID, event.Duration(window.Total))
		if skew := result.Manifest.Skew; skew > 0 {
			message = fmt.Sprintf("backup %s: users were not locked out; its parts are at most %s apart", run.ID, event.Duration(skew))
		}
		if window.Drain > 0 {
			message += fmt.Sprintf(" (lock %s, drain %s, drained to complete %s, complete %s, unlock %s)",
				event.Duration(window.Lock), event.Duration(window.Drain), event.Duration(window.DrainedToComplete),
				event.Duration(window.Complete), event.Duration(window.Unlock))
		}
	}
	if skew := result.Manifest.NodeSkew; skew > 0 {
		message += fmt.Sprintf("; the Mesh nodes were captured within %s", event.Duration(skew))
	}
	machines := machineWindows(run.Plan, window)
	if slow := slowest(machines); slow != "" {
		message += "; captures on other machines: " + slow
	}
	details := map[string]any{
		"machines_ns":  machines,
		"node_skew_ns": result.Manifest.NodeSkew, "instants": instants(result.Manifest), "lock_window_ns": window.Total, "window_ns": window.Parts(),
		"removed": append([]string{}, result.Removed...), "stored": append([]providers.Stored{}, result.Manifest.Stored...), // never null
	}
	run.Sink.Emit(event.Event{Time: time.Now(), Kind: event.Summary, Backup: string(run.ID), Message: message, Details: details})
	if err != nil {
		return eng.explain(run.ID, interruptedBy(ctx, err))
	}
	for _, st := range result.Manifest.Stored {
		run.Sink.Emit(event.Event{Time: time.Now(), Kind: event.Note, Backup: string(run.ID), Message: fmt.Sprintf("stored: %s (%s)", st.Location, humanize.Bytes(uint64(max(st.Size(), 0))))})
	}
	return nil
}
