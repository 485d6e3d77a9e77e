package apply

import (
	"context"
	"errors"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/walk"
	"bkp/internal/event"
	"bkp/internal/records/journal"
)

// timed runs one step between its events.
func (r *Run) timed(ctx context.Context, n plan.Node, do func(context.Context) error) error {
	e := event.Event{Node: string(n.ID), Address: n.Address, Phase: string(n.Phase), Message: n.Does}
	e.Kind = event.StepStarted
	r.emit(todo(e, n))
	begun := time.Now()
	done := r.clock(n, begun)
	err := walk.Guard(func() error { return do(ctx) })
	e.Elapsed = time.Since(begun)
	done(e.Elapsed)
	if err != nil {
		err = r.stepError(ctx, n, err)
		e.Kind, e.Error = event.StepFailed, err.Error()
		r.emit(e)
		if jerr := r.Journal.Note(journal.Record{Type: journal.StepFailed, Node: string(n.ID), Address: n.Address, Error: err.Error()}); jerr != nil {
			return errors.Join(err, jerr)
		}
		return err
	}
	e.Kind = event.StepDone
	r.emit(e)
	return nil
}

// todo is an event with how much there is to do.
func todo(e event.Event, n plan.Node) event.Event {
	if n.Size != nil {
		e.TotalFiles, e.TotalBytes = n.Size.Files, n.Size.Bytes
	}
	return e
}

// stepError prefers the reason for a cancellation to its symptom.
func (r *Run) stepError(ctx context.Context, n plan.Node, err error) error {
	var p *walk.PanicError
	if errors.As(err, &p) {
		r.emit(event.Event{Kind: event.Warning, Address: n.Address, Message: p.Error() + "\n" + p.Stack})
	}
	cause := context.Cause(ctx)
	if ctx.Err() != nil && !errors.Is(err, cause) && errors.Is(err, ctx.Err()) {
		err = cause
	}
	return &walk.StepError{Node: n, Err: err}
}
