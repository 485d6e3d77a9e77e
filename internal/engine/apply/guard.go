package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/event"
)

// startGuard starts the guard. Without it nobody is locked out.
func (r *Run) startGuard(ctx context.Context) error {
	if r.Guard == nil {
		return nil
	}
	g, err := r.Guard(ctx)
	if err != nil {
		return fmt.Errorf("the guardian, which unlocks if bkp dies, could not be started: %w", err)
	}
	r.guard = g
	return nil
}

// ask asks for the lock. The guard does it, where there is one: a token must not
// die with this process. It bounds the request by itself, and gets a little
// longer.
func (r *Run) ask(ctx context.Context) (bitbucket.Lease, error) {
	if r.guard == nil {
		ctx, cancel := context.WithTimeout(ctx, lockTimeout)
		defer cancel()
		return r.Instance.Lock(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout+time.Second)
	defer cancel()
	return r.guard.Lock(ctx)
}

// hold hands a token to the guard. Without it the journal still has the token.
func (r *Run) hold(l bitbucket.Lease) {
	if r.guard == nil {
		return
	}
	if err := r.guard.Hold(l); err != nil {
		r.emit(event.Event{Kind: event.Warning, Message: "the guardian is gone; if bkp is killed now, run bkp unlock: " + err.Error()})
	}
}

// endGuard lets the guard go, unless the instance may still be locked: it has
// more patience than the operator who waits for this process.
func (r *Run) endGuard(err error) {
	if r.guard == nil {
		return
	}
	if errors.Is(err, ErrMayBeLocked) {
		// It may have a token that did not reach this process in time.
		_ = r.guard.Abandon()
		if !errors.Is(err, ErrTokenUnknown) {
			r.emit(event.Event{Kind: event.Warning, Message: "the guardian goes on trying to unlock; see the run's log"})
		}
		return
	}
	if err := r.guard.Released(); err != nil {
		r.emit(event.Event{Kind: event.Warning, Message: "the guardian failed: " + err.Error()})
	}
}
