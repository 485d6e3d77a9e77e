package bitbucket

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// WaitDrained polls until the instance is ready to be captured, and returns the
// last time at which it was not known to be: how long that took to be noticed
// counts, too. Polls may fail in passing, one after the other, for the grace:
// behind a load balancer a poll can reach a node that does not know the task
// yet. It returns an error that wraps ErrDrain when the task ended before that,
// ErrLost when the instance says that it is not locked any more, and the
// context's cause when the context ends.
func (c *Client) WaitDrained(ctx context.Context, l Lease, grace time.Duration) (since time.Time, err error) {
	begun := time.Now()
	since = begun
	var unclearSince time.Time
	for {
		asked := time.Now()
		m, err := c.Maintenance(ctx, l)
		unclear, err := drainState(m, err)
		switch {
		case ctx.Err() != nil:
			return since, context.Cause(ctx)
		case err != nil:
			return since, err
		case unclear == nil && m.Ready():
			return since, nil
		case unclear == nil:
			since, unclearSince = time.Now(), time.Time{}
		case c.unlocked(ctx):
			return since, fmt.Errorf("%w: the instance is not locked any more", ErrLost)
		case unclearSince.IsZero():
			unclearSince = time.Now()
		case time.Since(unclearSince) > grace:
			return since, fmt.Errorf("%w: no answer about the backup task for %s: %w", ErrDrain, grace, unclear)
		}
		select {
		case <-ctx.Done():
			return since, context.Cause(ctx)
		case <-time.After(pollPause(time.Since(begun), time.Since(asked))):
		}
	}
}

// The pauses between two polls of the drain.
const (
	minPoll = 5 * time.Millisecond
	maxPoll = 15 * time.Millisecond
)

// pollPause is the time to the next poll, after the drain has taken so long and
// a poll took so long. What the last pause adds to the drain stays below
// maxPoll; an instance that is slow to answer is not asked more than half of
// the time.
func pollPause(waited, took time.Duration) time.Duration {
	return max(min(max(waited/20, minPoll), maxPoll), min(took, time.Second))
}

// drainState sorts a poll's outcome: what is unclear may pass by itself, an
// error will not.
func drainState(m Maintenance, err error) (unclear, fatal error) {
	switch {
	case refused(err, http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict):
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

// StillOurs reports whether the capture that just ended was covered: the task is
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
		unclear, err := drainState(m, err)
		switch {
		case whole.Err() != nil:
			return context.Cause(whole)
		case err != nil:
			return fmt.Errorf("%w: %w", ErrLost, err)
		case unclear == nil && m.Ready():
			return nil
		case unclear == nil:
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
			return fmt.Errorf("%w: %w", ErrLost, unclear)
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// unlocked reports whether the instance itself says that it is not locked.
func (c *Client) unlocked(ctx context.Context) bool {
	_, locked, err := c.lockOwner(ctx, c.once)
	return err == nil && !locked
}
