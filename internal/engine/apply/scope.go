package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"
	"golang.org/x/sync/errgroup"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/plan"
	"bkp/internal/engine/walk"
	"bkp/internal/event"
	"bkp/internal/records/journal"
)

const (
	// lockTimeout bounds the wait for the reply to the lock and to the start.
	lockTimeout = 30 * time.Second
	// releaseTimeout bounds complete, cancel and unlock with all their
	// repetitions. Cancelling the run does not shorten it.
	releaseTimeout = 5 * time.Minute
	// endTimeout is how long a cancelled step may take to end.
	endTimeout = time.Minute
)

// Window is a lock window and its parts.
type Window struct {
	// Total is from just before the request to lock to just after the unlock:
	// at least as long as users were locked out.
	Total time.Duration
	// DrainedToComplete is the part that bkp answers for. It begins with the
	// last poll that was not answered with DRAINED, so that it is never shorter
	// than what the instance would measure.
	Lock, Drain, DrainedToComplete, Complete, Unlock time.Duration
	// Captures by address; they run at the same time.
	Captures map[string]time.Duration
}

// Parts returns the window's parts by name, for the manifest.
// Without a lock these are the captures alone.
func (w Window) Parts() map[string]time.Duration {
	out := map[string]time.Duration{}
	if w.Total > 0 {
		out["lock"], out["drain"], out["drained_to_complete"] = w.Lock, w.Drain, w.DrainedToComplete
		out["complete"], out["unlock"] = w.Complete, w.Unlock
	}
	for address, d := range w.Captures {
		out["capture "+address] = d
	}
	return out
}

// scope is a lock that is held.
type scope struct {
	run   *Run
	begun time.Time

	// mu is held while the start waits for its reply, which completes lease.
	mu    sync.Mutex
	lease bitbucket.Lease
}

func (s *scope) held() bitbucket.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease
}

// whileLocked locks, captures and unlocks. When it returns, the instance is
// unlocked, or the error wraps ErrMayBeLocked.
func (r *Run) whileLocked(ctx context.Context, l plan.Locked) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := r.warm(ctx); err != nil {
		return err
	}
	if err := r.startGuard(ctx); err != nil {
		return err
	}
	err := r.locked(ctx, l)
	if errors.Is(err, ErrMayBeLocked) {
		r.mayBeLocked(err)
	}
	r.endGuard(err)
	return err
}

// locked is whileLocked under the eyes of the guard.
func (r *Run) locked(ctx context.Context, l plan.Locked) error {
	s, err := r.lock(ctx)
	if err != nil {
		return err
	}
	within, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	within, cancel := context.WithDeadlineCause(within, s.begun.Add(time.Duration(l.Budget)),
		fmt.Errorf("%w of %s", ErrBudget, time.Duration(l.Budget)))
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- walk.Guard(func() error { return s.inside(within, l, fail) }) }()
	select {
	case err = <-ended:
		if err == nil {
			err = walk.Guard(func() error { return s.finish(ctx) })
		}
		if err == nil {
			r.opened(s)
			return nil
		}
		return withAftermath(err, s.giveBack(ctx))
	case <-within.Done():
	}
	slow := r.underWay()
	// The users come first: a step that is slow to end must not keep them out.
	released := s.giveBack(ctx)
	if err = r.lastOf(ended); err == nil {
		err = context.Cause(within) // cancelled at the last moment
	}
	if errors.Is(err, walk.ErrStuck) {
		err = fmt.Errorf("%w; %w", context.Cause(within), err)
	}
	if errors.Is(err, ErrBudget) && slow != "" {
		err = fmt.Errorf("%w; until then: %s", err, slow)
	}
	return withAftermath(err, released)
}

// lastOf waits for steps that were cancelled, unless they do not.
func (r *Run) lastOf(ended <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	stop := context.AfterFunc(walk.Hurried(r.Cleanup), cancel)
	defer stop()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return walk.ErrStuck
	}
}

func withAftermath(cause, aftermath error) error {
	if aftermath == nil {
		return cause
	}
	return multierror.Append(cause, aftermath)
}

// giveBack releases after a failure; its error wraps ErrMayBeLocked.
func (s *scope) giveBack(ctx context.Context) error {
	if err := walk.Guard(func() error { return s.release(ctx) }); err != nil {
		err = fmt.Errorf("%w: unlocking failed: %w", ErrMayBeLocked, err)
		s.run.mayBeLocked(err) // now: steps that are slow to end may take another minute
		return err
	}
	s.run.opened(s)
	return nil
}

// mayBeLocked says so once: somebody has to look, whatever the run does next.
func (r *Run) mayBeLocked(err error) {
	r.alarm.Do(func() { r.emit(event.Event{Kind: event.MayBeLocked, Address: r.Plan.Address, Error: err.Error()}) })
}

func (r *Run) opened(s *scope) {
	r.window.Total = time.Since(s.begun)
	r.emit(event.Event{Kind: event.Unlocked, Address: r.Plan.Address, Elapsed: r.window.Total})
}

// warm does last what may not count as lock window: strategies make good what
// went stale while others prepared, and the connection to the instance is opened
// again if it was closed meanwhile. An instance that does not answer is better
// found out now.
func (r *Run) warm(ctx context.Context) error {
	if err := r.warmParts(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	owner, locked, err := r.Instance.LockOwner(ctx)
	if err == nil && locked {
		// From here on a lock of this account can only be the one that is asked
		// for now.
		return fmt.Errorf("%w%s", bitbucket.ErrLocked, owner.By())
	}
	return err
}

func (r *Run) warmParts(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for address, s := range r.Strategies {
		g.Go(func() error {
			if err := walk.Guard(func() error { return s.Warm(gctx) }); err != nil {
				return fmt.Errorf("%s: %w", address, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// lock asks for the lock and journals the token before anything uses it.
func (r *Run) lock(ctx context.Context) (*scope, error) {
	if err := r.Journal.Sync(journal.Record{Type: journal.LockIntent, Instance: r.Plan.Instance, URL: r.Plan.URL, Asked: r.Asked}); err != nil {
		return nil, err
	}
	s := &scope{run: r, begun: time.Now()}
	// A cancelled request would leave open whether the server locked, so this
	// one call is not cancelled; the check follows right after it.
	call := context.WithoutCancel(ctx)
	lease, err := r.ask(call)
	if err != nil {
		return nil, r.notLocked(call, err)
	}
	s.lease = lease
	r.window.Lock = time.Since(s.begun)
	err = r.Journal.Sync(journal.Record{Type: journal.Locked, UnlockToken: lease.UnlockToken.Reveal()})
	if err != nil {
		if released := s.release(ctx); released != nil {
			return nil, fmt.Errorf("%w: %w; unlocking: %w", ErrMayBeLocked, err, released)
		}
		return nil, err
	}
	return s, nil
}

// inside is everything between the lock and the completion. It calls fail with
// the first failure at once, and returns when every step has ended.
func (s *scope) inside(ctx context.Context, l plan.Locked, fail context.CancelCauseFunc) error {
	r := s.run
	r.emit(event.Event{Kind: event.Locked, Address: r.Plan.Address})
	var drained time.Time
	err := walk.Nodes(ctx, context.WithoutCancel(ctx), l.Nodes, len(l.Nodes), func(ctx context.Context, n plan.Node) (err error) {
		defer func() {
			if err != nil {
				fail(err)
			}
		}()
		switch n.Phase {
		case plan.Start:
			return r.timed(ctx, n, s.start)
		case plan.Drain:
			begun := time.Now()
			err := r.timed(ctx, n, func(ctx context.Context) (err error) {
				drained, err = s.drain(ctx, l)
				return err
			})
			r.drained(drained.Sub(begun))
			return err
		default:
			return r.step(ctx, n)
		}
	})
	if err != nil {
		return err
	}
	if err := r.Instance.StillOurs(ctx, s.held(), time.Duration(l.Grace)); err != nil {
		return err
	}
	r.window.DrainedToComplete = time.Since(drained)
	return nil
}

func (s *scope) start(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Not cancelled either: its reply holds the token to cancel.
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockTimeout)
	defer cancel()
	lease, err := s.run.Instance.Start(call, s.lease)
	if err != nil {
		return err
	}
	s.lease = lease
	s.run.hold(lease)
	return s.run.Journal.Sync(journal.Record{Type: journal.TaskStarted, CancelToken: lease.CancelToken.Reveal()})
}

// drain returns the last time at which the instance was not known to be
// drained.
func (s *scope) drain(ctx context.Context, l plan.Locked) (time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(l.DrainTimeout),
		fmt.Errorf("%w of %s", ErrDrainTimeout, time.Duration(l.DrainTimeout)))
	defer cancel()
	return s.run.Instance.WaitDrained(ctx, s.held(), time.Duration(l.Grace))
}

// finish ends a good capture: complete, unlock.
func (s *scope) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	begun := time.Now()
	if err := s.run.Instance.Complete(ctx, s.held()); err != nil {
		return fmt.Errorf("complete: %w", err)
	}
	s.run.window.Complete = time.Since(begun)
	begun = time.Now()
	// What was captured was covered by the lock until the completion: that the
	// lock is somebody else's by now, after a reply that was lost, is no matter.
	if err := s.run.Instance.Unlock(ctx, s.held()); err != nil && !errors.Is(err, bitbucket.ErrLost) {
		return fmt.Errorf("unlock: %w", err)
	}
	s.run.window.Unlock = time.Since(begun)
	return s.unlocked()
}

// release ends a capture that failed: cancel or complete, unlock.
func (s *scope) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	err := s.run.Instance.Release(ctx, s.held())
	if err != nil && !errors.Is(err, bitbucket.ErrLost) {
		return err
	}
	return s.unlocked()
}

// unlocked journals that nothing of ours holds the instance. The instance is
// open already, so trouble with the journal is no reason to say otherwise: the
// next run finds a token that does not fit any more.
func (s *scope) unlocked() error {
	if err := s.run.Journal.Sync(journal.Record{Type: journal.Unlocked}); err != nil {
		s.run.emit(event.Event{Kind: event.Warning, Message: "unlocked, but the journal could not be written: " + err.Error()})
	}
	return nil
}
