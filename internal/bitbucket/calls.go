package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bkp/internal/secret"
)

// Owner is who locked an instance.
type Owner struct {
	DisplayName string `json:"displayName"`
	Name        string `json:"name"`
	// Self tells that it is the account of the client that asked.
	Self bool `json:"-"`
}

// Lease is a held lock. Both tokens are secrets: whoever has them can unlock.
type Lease struct {
	UnlockToken secret.String
	// CancelToken is set once the backup has started.
	CancelToken secret.String
}

// Properties of the instance, readable without authentication.
type Properties struct {
	Version     string `json:"version"`
	BuildNumber string `json:"buildNumber"`
	DisplayName string `json:"displayName"`
}

// The states that matter.
const (
	Drained = "DRAINED"
	Running = "RUNNING"
)

// Maintenance is what the instance says of itself while locked.
type Maintenance struct {
	Task *struct {
		ID       string `json:"id"`
		State    string `json:"state"`
		Type     string `json:"type"`
		Progress struct {
			Message    string `json:"message"`
			Percentage int    `json:"percentage"`
		} `json:"progress"`
	} `json:"task"`
	Database string `json:"db-state"`
	SCM      string `json:"scm-state"`
}

// Ready tells whether a capture may begin: both latches drained, the task
// still running.
func (m Maintenance) Ready() bool {
	return m.Task != nil && m.Task.State == Running && m.Database == Drained && m.SCM == Drained
}

// Running tells whether a task is running.
func (m Maintenance) Running() bool { return m.Task != nil && m.Task.State == Running }

const (
	pathLock        = "mvc/maintenance/lock"
	pathMaintenance = "mvc/maintenance"
	pathBackups     = "mvc/admin/backups"
	pathProgress    = "mvc/admin/backups/progress/client"
)

// Properties reads the version.
func (c *Client) Properties(ctx context.Context) (Properties, error) {
	var p Properties
	err := c.do(ctx, c.quick, call{method: http.MethodGet, path: "rest/api/latest/application-properties", noAuth: true, out: &p})
	return p, err
}

// Status reads the instance's state, such as RUNNING or MAINTENANCE.
func (c *Client) Status(ctx context.Context) (string, error) {
	var s struct {
		State string `json:"state"`
	}
	err := c.do(ctx, c.quick, call{method: http.MethodGet, path: "status", noAuth: true, out: &s})
	return s.State, err
}

// ProveAdministrator makes a harmless call that only an administrator may.
func (c *Client) ProveAdministrator(ctx context.Context) error {
	return c.do(ctx, c.quick, call{method: http.MethodGet, path: "rest/api/latest/admin/cluster"})
}

// LockOwner tells whether the instance is locked, and by whom if it says so.
func (c *Client) LockOwner(ctx context.Context) (Owner, bool, error) {
	var reply struct {
		Owner Owner `json:"owner"`
	}
	err := c.do(ctx, c.quick, call{method: http.MethodGet, path: pathLock, out: &reply})
	var unreadable *ReplyError
	switch {
	case status(err) == http.StatusNotFound:
		return Owner{}, false, nil
	case errors.As(err, &unreadable) && !strings.HasPrefix(unreadable.Start, "<"): // a page is somebody else's
		return Owner{}, true, nil // any 2xx means locked; the body is a courtesy
	case err != nil:
		return Owner{}, false, err
	}
	reply.Owner.Self = reply.Owner.Name != "" && strings.EqualFold(reply.Owner.Name, c.config.Username)
	return reply.Owner, true, nil
}

// unsettled is how long a call whose reply was lost may take to show its
// effect: the request can be on its way yet when the connection is gone.
const unsettled = 3 * time.Second

// LockTaken tells, after an error of Lock that wraps ErrUnknown, whether the
// instance is locked, and by whom. It asks until it is, or for a while.
func (c *Client) LockTaken(ctx context.Context) (Owner, bool, error) {
	whole := time.After(unsettled)
	for {
		owner, locked, err := c.LockOwner(ctx)
		if locked || err != nil {
			return owner, locked, err
		}
		select {
		case <-ctx.Done():
			return owner, false, context.Cause(ctx)
		case <-whole:
			return owner, false, nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Lock locks the instance for its users. It is tried once. An error that wraps
// ErrLocked is a refusal; one that wraps ErrUnknown leaves open whether the
// instance is locked, or with ErrUnderWay will be; any other is a plain refusal.
func (c *Client) Lock(ctx context.Context) (Lease, error) {
	var reply struct {
		UnlockToken string `json:"unlockToken"`
	}
	err := c.do(ctx, c.once, call{method: http.MethodPost, path: pathLock, out: &reply, secretReply: true})
	var s *StatusError
	switch {
	case errors.As(err, &s) && s.Status == http.StatusConflict:
		return Lease{}, fmt.Errorf("%w%s: %w", ErrLocked, by(s.owner), err)
	case errors.As(err, &s) && s.Status < 500, neverSent(err):
		return Lease{}, err
	case underWay(err):
		return Lease{}, fmt.Errorf("%w: %w: %w", ErrUnknown, ErrUnderWay, err)
	case err != nil:
		return Lease{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	case reply.UnlockToken == "":
		return Lease{}, fmt.Errorf("%w: the reply to the lock holds no token", ErrUnknown)
	}
	return Lease{UnlockToken: secret.New(reply.UnlockToken)}, nil
}

func by(o Owner) string {
	if o.Name == "" {
		return ""
	}
	if o.DisplayName == "" || o.DisplayName == o.Name {
		return " by " + o.Name
	}
	return fmt.Sprintf(" by %s (%s)", o.Name, o.DisplayName)
}

// Start begins the backup task, which drains. It is tried once. When the reply
// is lost, the instance is asked whether the task runs: only who holds the
// lease could have begun it. The lease then has no token to cancel, and
// Complete ends the task. An error that wraps ErrUnknown leaves open whether
// it runs.
func (c *Client) Start(ctx context.Context, l Lease) (Lease, error) {
	var reply struct {
		CancelToken string `json:"cancelToken"`
	}
	err := c.do(ctx, c.once, call{
		method: http.MethodPost, path: pathBackups, query: url.Values{"external": {"true"}}, lease: &l, out: &reply, secretReply: true,
	})
	var s *StatusError
	if errors.As(err, &s) && s.Status < 500 {
		return l, err
	}
	if err != nil && c.begun(ctx, l, err) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	l.CancelToken = secret.New(reply.CancelToken)
	return l, nil
}

// begun asks whether a task runs whose start was not answered well: once if
// there was any answer, for what has an effect has it by then, and otherwise
// for a while.
func (c *Client) begun(ctx context.Context, l Lease, answer error) bool {
	var known *StatusError
	var unreadable *ReplyError
	answered := errors.As(answer, &known) || errors.As(answer, &unreadable)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unsettled)
	defer cancel()
	for {
		runs := c.taskRuns(ctx, l)
		if runs || answered {
			return runs
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Maintenance reads the state while locked, once.
func (c *Client) Maintenance(ctx context.Context, l Lease) (Maintenance, error) {
	var m Maintenance
	err := c.do(ctx, c.once, call{method: http.MethodGet, path: pathMaintenance, lease: &l, out: &m})
	return m, err
}

// Complete reports 100 percent, which ends the task and opens both latches.
// It is repeated until the context ends. No task running is success; a node
// behind a load balancer that does not know the task is not.
func (c *Client) Complete(ctx context.Context, l Lease) error {
	q := url.Values{"token": {l.UnlockToken.Reveal()}, "percentage": {strconv.Itoa(100)}}
	for {
		err := c.do(ctx, c.patient, call{method: http.MethodPost, path: pathProgress, query: q, lease: &l})
		if status(err) != http.StatusNotFound {
			return err
		}
		if !c.taskRuns(ctx, l) {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *Client) taskRuns(ctx context.Context, l Lease) bool {
	m, err := c.Maintenance(ctx, l)
	return err == nil && m.Running()
}

// Cancel ends the task without completing it; the lock stays. It is repeated
// until the context ends. No task running is success.
func (c *Client) Cancel(ctx context.Context, l Lease) error {
	q := url.Values{"token": {l.CancelToken.Reveal()}}
	return absentIsDone(c.do(ctx, c.patient, call{method: http.MethodPost, path: pathMaintenance, query: q, lease: &l}))
}

// Unlock opens the instance to its users. It is repeated until the context
// ends. Not locked is success. An error that wraps ErrLost says that the lock
// is somebody else's by now: nothing of ours is left.
func (c *Client) Unlock(ctx context.Context, l Lease) error {
	q := url.Values{"token": {l.UnlockToken.Reveal()}}
	err := absentIsDone(c.do(ctx, c.patient, call{method: http.MethodDelete, path: pathLock, query: q, lease: &l}))
	if status(err) == http.StatusConflict {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return err
}

func absentIsDone(err error) error {
	if status(err) == http.StatusNotFound {
		return nil
	}
	return err
}
