package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	// cancelTimeout is how long a task that was cancelled may take to end
	// before it is completed instead.
	cancelTimeout = 10 * time.Second
	// taskTimeout is how long an instance that answers is asked to end the
	// task before the unlock, which is the more important of the two.
	taskTimeout = 10 * time.Second
)

// Release puts the instance back into service after a run that did not
// succeed: it cancels the backup task, or completes it where it cannot be
// cancelled, waits for it to end, and unlocks. Unlocking alone would leave the
// task running and the latches held. It repeats until the instance itself
// proves both, or ctx ends; it may be called again, and treats an instance that
// is not locked as success. An error that wraps ErrLost says the lock belongs
// to somebody else by now: nothing of ours is left.
func (c *Client) Release(ctx context.Context, l Lease) error {
	e := ending{client: c, lease: l, until: time.Now().Add(shareOf(ctx))}
	return c.prove(ctx, func() error {
		task := e.attempt(ctx)
		if task != nil && e.waits(task) {
			return fmt.Errorf("the backup task cannot be ended: %w", task)
		}
		return c.unlock(ctx, l)
	})
}

// ReleaseOnce is Release without repetition. It unlocks only if the end of the
// task is proven.
func (c *Client) ReleaseOnce(ctx context.Context, l Lease) error {
	e := ending{client: c, lease: l}
	if err := e.attempt(ctx); err != nil {
		return err
	}
	return c.unlock(ctx, l)
}

// Unlock opens the instance to its users. It is repeated until the instance
// itself proves that they are let in, or the context ends: the reply to the
// unlock proves nothing. A lock that is gone already, such as after a restart,
// is success. An error that wraps ErrLost says that the lock is somebody else's
// by now: nothing of ours is left.
func (c *Client) Unlock(ctx context.Context, l Lease) error {
	return c.prove(ctx, func() error { return c.unlock(ctx, l) })
}

// unlock is one attempt. Where the lock is gone and latches are still held,
// because the end of the task was not proven before, it ends the task.
func (c *Client) unlock(ctx context.Context, l Lease) error {
	q := url.Values{"token": {l.UnlockToken.Reveal()}}
	err := c.do(ctx, c.once, call{method: http.MethodDelete, path: pathLock, query: q, lease: &l})
	unproven := c.released(ctx)
	if unproven == nil {
		return c.unlatched(ctx, l)
	}
	// Those questions are asked without the lease, so nobody has looked for its
	// tokens in the answers.
	unproven = c.redacted(call{lease: &l}, unproven)
	switch {
	case refused(err, http.StatusConflict) && c.lockedNow(ctx):
		// The token does not fit the lock that there is.
		return fmt.Errorf("%w: %w", ErrLost, err)
	case err != nil:
		return fmt.Errorf("%w (%w)", err, unproven)
	}
	return fmt.Errorf("the unlock was accepted, but %w: %w", ErrUnproven, unproven)
}

// unlatched proves, of an instance that is not locked, that no latch keeps
// users out: it serves an ordinary call. Any other reason why that call fails
// is no sign of a latch.
func (c *Client) unlatched(ctx context.Context, l Lease) error {
	_, err := c.properties(ctx, c.once)
	if !refused(err, http.StatusServiceUnavailable) {
		return nil
	}
	e := ending{client: c, lease: l}
	if err := e.attempt(ctx); err != nil {
		return fmt.Errorf("unlocked, but the backup task may still be running: %w", err)
	}
	return nil
}

// lockedNow reports whether the instance names the owner of a lock.
func (c *Client) lockedNow(ctx context.Context) bool {
	_, locked, err := c.lockOwner(ctx, c.once)
	return err == nil && locked
}

// ending is the attempts to end a backup task.
type ending struct {
	client *Client
	lease  Lease
	// until is when the unlock does not wait for the task any longer, no matter who
	// answers.
	until time.Time
	// cancelled is when the cancellation was accepted; answered is when anybody
	// first answered.
	cancelled, answered time.Time
}

// attempt asks once for the end of the task, and proves it.
func (e *ending) attempt(ctx context.Context) error {
	c, l := e.client, e.lease
	running := c.ended(ctx, l)
	if running == nil {
		return nil
	}
	if l.CancelToken.Reveal() != "" && (e.cancelled.IsZero() || time.Since(e.cancelled) < cancelTimeout) {
		q := url.Values{"token": {l.CancelToken.Reveal()}}
		err := c.do(ctx, c.once, call{method: http.MethodPost, path: pathMaintenance, query: q, lease: &l})
		unended := c.ended(ctx, l)
		if unended == nil {
			return nil
		}
		if err == nil && e.cancelled.IsZero() {
			e.cancelled = time.Now()
		}
		if err == nil {
			return fmt.Errorf("the cancellation was accepted, but %w: %w", ErrUnproven, unended)
		}
	}
	// Completing takes the unlock token alone, so it also reaches a task whose
	// start was never answered.
	err := c.do(ctx, c.once, call{method: http.MethodPost, path: pathProgress, query: complete(l), lease: &l})
	unended := c.ended(ctx, l)
	// No lock, or a lock of somebody else, has no task of ours: both calls have
	// to be refused in the instance's own form.
	if refused(err, http.StatusNotFound, http.StatusConflict) && refused(unended, http.StatusNotFound, http.StatusConflict) {
		return nil
	}
	return proven(err, unended)
}

// waits reports whether the unlock has to wait for another attempt, after err.
// While nobody answers, the unlock would not get through either, or come first
// when the instance is back.
func (e *ending) waits(err error) bool {
	var s *StatusError
	var r *ReplyError
	spoke := errors.As(err, &s) || errors.As(err, &r) || errors.Is(err, errRuns) || errors.Is(err, errNoTask)
	if spoke && e.answered.IsZero() {
		e.answered = time.Now()
	}
	late := !e.answered.IsZero() && time.Since(e.answered) > taskTimeout
	return !late && time.Now().Before(e.until)
}

// shareOf is half of what ctx has left.
func shareOf(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Minute
	}
	return time.Until(deadline) / 2
}
