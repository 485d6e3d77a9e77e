package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// WaitDrained polls until the instance is ready to be captured: quickly at
// first, then less often, so that what the last pause adds to the drain stays
// below a twentieth of it, and below maxPoll. Polls may fail in passing, one after the other, for
// the grace: behind a load balancer a poll can reach a node that does not know
// the task yet. It returns an error that wraps ErrDrain when the task
// ended before that, ErrLost when the lock is gone, and the context's cause
// when the context ends.
func (c *Client) WaitDrained(ctx context.Context, l Lease, grace time.Duration) error {
	begun := time.Now()
	var doubtSince time.Time
	for {
		m, err := c.Maintenance(ctx, l)
		doubt, err := drainState(m, err)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case doubt == nil && m.Ready():
			return nil
		case doubt == nil:
			doubtSince = time.Time{}
		case c.unlocked(ctx):
			return fmt.Errorf("%w: the instance is not locked any more", ErrLost)
		case doubtSince.IsZero():
			doubtSince = time.Now()
		case time.Since(doubtSince) > grace:
			return fmt.Errorf("%w: no answer about the backup task for %s: %w", ErrDrain, grace, doubt)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollPause(time.Since(begun))):
		}
	}
}

// The pauses between two polls of the drain.
const (
	minPoll = 5 * time.Millisecond
	maxPoll = 200 * time.Millisecond
)

// pollPause is the time to the next poll, after the drain has taken so long.
func pollPause(waited time.Duration) time.Duration {
	return min(max(waited/20, minPoll), maxPoll)
}

var errNoTask = errors.New("the instance knows no backup task")

// drainState sorts a poll's outcome: a doubt may pass by itself, an error will
// not.
func drainState(m Maintenance, err error) (doubt, fatal error) {
	var s *StatusError
	switch {
	case errors.As(err, &s) && s.Status != http.StatusNotFound && s.Status < 500:
		return nil, err
	case err != nil:
		return err, nil
	case m.Task == nil:
		return errNoTask, nil
	case m.Task.State != Running:
		return nil, fmt.Errorf("%w: the task is %s: %s", ErrDrain, m.Task.State, m.Task.Progress.Message)
	}
	return nil, nil
}

// StillOurs tells whether the capture that just ended was covered: the task is
// still running and everything still drained. It survives failing polls for
// the grace period. An error that wraps ErrLost says it was not; when the context
// ends, its cause is returned.
func (c *Client) StillOurs(ctx context.Context, l Lease, grace time.Duration) error {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 20*time.Millisecond, time.Second
	for {
		m, err := c.Maintenance(ctx, l)
		doubt, err := drainState(m, err)
		switch {
		case whole.Err() != nil:
			return context.Cause(whole)
		case err != nil:
			return fmt.Errorf("%w: %w", ErrLost, err)
		case doubt == nil && m.Ready():
			return nil
		case doubt == nil:
			return fmt.Errorf("%w: database %s, scm %s", ErrLost, m.Database, m.SCM)
		}
		if c.unlocked(ctx) {
			return fmt.Errorf("%w: the instance is not locked any more", ErrLost)
		}
		select {
		case <-ctx.Done():
			if whole.Err() != nil {
				return context.Cause(whole)
			}
			return fmt.Errorf("%w: %w", ErrLost, doubt)
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// unlocked tells that the instance says of itself that it is not locked.
func (c *Client) unlocked(ctx context.Context) bool {
	_, locked, err := c.LockOwner(ctx)
	return err == nil && !locked
}
