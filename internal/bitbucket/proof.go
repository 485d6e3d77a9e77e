package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/hashicorp/go-retryablehttp"
)

// LockOwner reports whether the instance is locked, and by whom if it says so.
// Both answers are the instance's own: locked is a lock with an owner, or the
// state MAINTENANCE; not locked is the state RUNNING, or an ordinary REST call
// that is served. That there is no lock to be found (404) proves neither. What
// cannot be proven is an error.
func (c *Client) LockOwner(ctx context.Context) (Owner, bool, error) {
	return c.lockOwner(ctx, c.quick)
}

func (c *Client) lockOwner(ctx context.Context, via *retryablehttp.Client) (Owner, bool, error) {
	var reply struct {
		Owner *Owner `json:"owner"`
	}
	err := c.do(ctx, via, call{
		method: http.MethodGet, path: pathLock, out: &reply, secretReply: true,
		complete: func() bool { return reply.Owner != nil && reply.Owner.Name+reply.Owner.DisplayName != "" },
	})
	if err == nil {
		o := *reply.Owner
		o.Self = c.self(o)
		return o, true, nil
	}
	var foreign *ReplyError
	if status(err) != http.StatusNotFound && !errors.As(err, &foreign) {
		return Owner{}, false, err
	}
	open, unproven := c.open(ctx, via)
	if unproven != nil {
		return Owner{}, false, fmt.Errorf("%w: %w; %w", ErrUnproven, err, unproven)
	}
	return Owner{}, !open, nil
}

// open reports whether users are served, in the instance's own words. An
// error means that it says neither that they are nor that it is in maintenance.
func (c *Client) open(ctx context.Context, via *retryablehttp.Client) (bool, error) {
	state, err := c.state(ctx, via)
	switch {
	case err == nil && state == Running:
		return true, nil
	case err == nil && state == maintenance:
		return false, nil
	case err == nil:
		err = fmt.Errorf("the instance is %s", state)
	}
	// Some proxies answer /status by themselves, or for nobody.
	if _, refused := c.properties(ctx, via); refused == nil {
		return true, nil
	}
	return false, err
}

// released proves that users are let in: after an unlock that was accepted, or
// at an instance that was restarted. The error names what was answered instead.
func (c *Client) released(ctx context.Context) error {
	open, err := c.open(ctx, c.once)
	switch {
	case err != nil:
		return err
	case !open:
		return errors.New("the instance is still in maintenance")
	}
	// A node may call itself running while the lock, which is the cluster's,
	// is held.
	if owner, locked, err := c.lockOwner(ctx, c.once); err == nil && locked {
		return fmt.Errorf("the instance is locked%s", owner.By())
	}
	return nil
}

// ended proves that no backup task runs: a poll that succeeds says so.
func (c *Client) ended(ctx context.Context, l Lease) error {
	m, err := c.Maintenance(ctx, l)
	switch {
	case err != nil:
		return err
	case m.Running():
		return errRuns
	case m.Task != nil, m.Database == available && m.SCM == available:
		return nil
	}
	return errNoTask
}

var (
	errRuns   = errors.New("the backup task is still running")
	errNoTask = errors.New("the instance has no backup task")
)

// Between two attempts at a call whose effect is not proven yet.
const (
	minPause = 100 * time.Millisecond
	maxPause = 2 * time.Second
)

// denialPatience is how long a refusal of the credentials in Bitbucket's own
// form is asked again: right after a restart it may refuse everybody.
const denialPatience = 10 * time.Second

// prove repeats try until it succeeds, the context ends, or the credentials
// stay refused. The error of the last attempt is returned.
func (c *Client) prove(ctx context.Context, try func() error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = minPause, maxPause
	var deniedSince time.Time
	for {
		err := try()
		switch {
		case err == nil, errors.Is(err, ErrLost):
			return err
		case !refused(err, http.StatusUnauthorized, http.StatusForbidden):
			deniedSince = time.Time{}
		case deniedSince.IsZero():
			deniedSince = time.Now()
		case time.Since(deniedSince) > denialPatience:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause.NextBackOff()):
		}
	}
}
