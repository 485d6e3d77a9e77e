package engine

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
	"bkp/internal/engine/watch"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/running"
	"bkp/lang"
	"bkp/providers"
)

// watched is a run that others learn of: who is notified, monitoring, and bkp status.
// It is a scope around the run. Nothing of it waits under the lock, and nothing of it
// changes what becomes of the run.
type watched struct {
	eng      *Engine
	instance *lang.Instance
	of       providers.Operation
	// warn takes what went wrong with a notice or a figure.
	warn func(error)
	// run is the id of the backup, as soon as it is known.
	run      providers.BackupID
	begun    time.Time
	standing []string
	// removed are ids, beside those of the summary.
	removed []string

	notes  watch.Run
	queue  *event.Queue
	alarm  sync.WaitGroup
	raised bool
}

// watch begins to watch a run, and notifies of its beginning. The caller MUST call
// end.
func (eng *Engine) watch(ctx context.Context, i *lang.Instance, of providers.Operation, standing []string, warn func(error)) *watched {
	w := eng.watchEnd(ctx, i, of, warn)
	w.standing = standing
	w.warnOf(eng.notify(ctx, i, w.notice(providers.Begun)))
	return w
}

// toView returns a function that shows an error as a warning among the events of an
// instance.
func toView(view event.Sink, instance string) func(error) {
	return func(err error) {
		message := strings.TrimSpace(err.Error() + "\n" + problem.Remedy(err))
		of{view, instance}.Emit(event.Event{Time: time.Now(), Kind: event.Warning, Message: message})
	}
}

// watchEnd is watch for what has failed before it could begin.
func (eng *Engine) watchEnd(ctx context.Context, i *lang.Instance, of providers.Operation, warn func(error)) *watched {
	w := &watched{eng: eng, instance: i, of: of, begun: time.Now(), warn: warn}
	w.notes.Show = w.show
	w.notes.Alarm = func(message string) { w.raise(ctx, message) }
	w.queue = event.NewQueue(&w.notes)
	return w
}

// show writes down how far the run is. That it cannot is said of the lock already.
func (w *watched) show(s running.Step) {
	_ = w.eng.holder.change(w.eng.Config.StateDir, func(r *running.Record) {
		r.Set(running.Run{Backup: string(w.run), Instance: w.instance.Name, Step: &s})
	})
}

// raise notifies at once, while the run goes on to clean up.
func (w *watched) raise(ctx context.Context, message string) {
	w.raised = true
	n := w.notice(providers.MayBeLocked)
	n.Detail, n.Remedy = message, mayBeLockedRemedy
	w.alarm.Go(func() { _ = w.eng.notify(ctx, w.instance, n) }) // end warns of a notifier that does not answer
}

// beside returns a sink for view and the watch.
func (w *watched) beside(view event.Sink) event.Sink { return both{view, w.queue} }

type both [2]event.Sink

// Emit implements event.Sink.
func (b both) Emit(e event.Event) {
	b[0].Emit(e)
	b[1].Emit(e)
}

// end notifies of what became of the run, and records its figures.
func (w *watched) end(ctx context.Context, err error) {
	w.queue.Close()
	w.alarm.Wait()
	facts := w.notes.Facts()
	n := w.outcome(err, facts)
	if rerr := w.eng.recordRun(w.instance, w.of, w.begun, err, facts); rerr != nil {
		w.warn(rerr)
	}
	w.warnOf(w.eng.notify(ctx, w.instance, n))
	w.warnOf(w.eng.measure(ctx, w.instance))
	_ = w.eng.holder.change(w.eng.Config.StateDir, func(r *running.Record) { r.Drop(w.instance.Name) })
}

// leave ends the watch without a word: something else says how all of it ended.
func (w *watched) leave() { w.queue.Close() }

func (w *watched) warnOf(failed []error) {
	for _, err := range failed {
		w.warn(err)
	}
}

func (eng *Engine) warnOfAll(failed []error) {
	for _, err := range failed {
		eng.warnOf(err)
	}
}

// notice is what every notice of the run says.
func (w *watched) notice(o providers.Occasion) providers.Notice {
	n := w.eng.newNotice(w.instance, o, w.of)
	n.Run, n.Standing = string(w.run), w.standing
	n.Summary = summaries[o](topic(w.of, w.instance.Name))
	return n
}

const mayBeLockedRemedy = "unlock it as soon as it answers:\n\n    bkp unlock"

// outcome is the notice at the end.
func (w *watched) outcome(err error, facts watch.Facts) providers.Notice {
	o := providers.Success
	switch {
	case err == nil && len(facts.Warnings) > 0:
		o = providers.Warned
	case err == nil:
	case errors.Is(err, apply.ErrMayBeLocked) && !w.raised:
		o = providers.MayBeLocked
	case w.of == providers.OfDrill:
		o = providers.DrillFailed
	default:
		o = providers.Failure
	}
	n := w.notice(o)
	n.Took, n.LockWindow = time.Since(w.begun), facts.Window
	n.Warnings, n.Removed = facts.Warnings, append(facts.Removed, w.removed...)
	for _, s := range facts.Stored {
		n.Stored = append(n.Stored, s.Location)
		n.Bytes += max(s.Size(), 0)
	}
	if err != nil {
		n.Detail, n.Remedy = err.Error(), problem.Remedy(err)
	}
	if errors.Is(err, apply.ErrMayBeLocked) && n.Remedy == "" {
		n.Remedy = mayBeLockedRemedy
	}
	return n
}

// newNotice has what notices about an instance have in common.
func (eng *Engine) newNotice(i *lang.Instance, o providers.Occasion, of providers.Operation) providers.Notice {
	name, _ := os.Hostname()
	return providers.Notice{Occasion: o, Operation: of, Instance: i.Name, URL: i.URL, Host: name, Tool: eng.Version, At: time.Now()}
}

// topic is what a summary is about.
func topic(of providers.Operation, instance string) string {
	switch of {
	case providers.OfDrill:
		return "The drill of " + instance
	case providers.OfVerify:
		return "The verification of a backup of " + instance
	case providers.OfPrune:
		return "Pruning the backups of " + instance
	case providers.OfRecovery:
		return "Cleaning up after a run of " + instance
	default:
		return "The backup of " + instance
	}
}

// summaries are the first lines of notices.
var summaries = map[providers.Occasion]func(subject string) string{
	providers.Begun:       func(s string) string { return s + " begins" },
	providers.Success:     func(s string) string { return s + " succeeded" },
	providers.Warned:      func(s string) string { return s + " succeeded, with warnings" },
	providers.Failure:     func(s string) string { return s + " failed" },
	providers.DrillFailed: func(s string) string { return s + " failed" },
	providers.MayBeLocked: func(s string) string { return "Bitbucket may still be locked. " + s + " failed" },
	providers.Recovered:   func(s string) string { return s + " is done" },
	providers.Overdue:     func(s string) string { return s + " is overdue" },
}

// standing are the warnings that a plan has before it is carried out.
func standing(p plan.Plan) []string {
	var out []string
	for _, w := range p.Warnings {
		out = append(out, w.Address+": "+w.Summary+": "+w.Detail)
	}
	return out
}
