package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"bkp/internal/secret"
)

// Owner is who locked an instance.
type Owner struct {
	DisplayName string `json:"displayName"`
	Name        string `json:"name"`
	// Self: it is the account of the client that asked.
	Self bool `json:"-"`
}

// Lease is a held lock. Both tokens are secrets: anyone who has them can unlock.
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
	// Proxy is what seems to stand between bkp and the instance, by the
	// headers of the reply; "" where nothing does.
	Proxy string `json:"-"`
}

// The states that matter, of a latch, a task and the instance.
const (
	Drained     = "DRAINED"
	Running     = "RUNNING"
	available   = "AVAILABLE"
	maintenance = "MAINTENANCE"
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

// Ready reports whether a capture may begin: both latches drained, the task
// still running.
func (m Maintenance) Ready() bool {
	return m.Task != nil && m.Task.State == Running && m.Database == Drained && m.SCM == Drained
}

// Running reports whether a task is running.
func (m Maintenance) Running() bool { return m.Task != nil && m.Task.State == Running }

const (
	pathLock        = "mvc/maintenance/lock"
	pathMaintenance = "mvc/maintenance"
	pathBackups     = "mvc/admin/backups"
	pathProgress    = "mvc/admin/backups/progress/client"
)

// Properties reads the version.
func (c *Client) Properties(ctx context.Context) (Properties, error) {
	return c.properties(ctx, c.quick)
}

func (c *Client) properties(ctx context.Context, via *retryablehttp.Client) (Properties, error) {
	var p Properties
	var header http.Header
	err := c.do(ctx, via, call{
		method: http.MethodGet, path: "rest/api/latest/application-properties", noAuth: true, out: &p,
		complete: func() bool { return p.Version != "" && p.BuildNumber != "" },
		seen:     func(h http.Header) { header = h },
	})
	p.Proxy = proxyIn(header)
	return p, err
}

// Status reads the instance's state, such as RUNNING or MAINTENANCE.
func (c *Client) Status(ctx context.Context) (string, error) { return c.state(ctx, c.quick) }

func (c *Client) state(ctx context.Context, via *retryablehttp.Client) (string, error) {
	var s struct {
		State string `json:"state"`
	}
	err := c.do(ctx, via, call{
		// What it is while locked is quoted in errors: nobody's token is.
		method: http.MethodGet, path: "status", noAuth: true, out: &s, secretReply: true,
		complete: func() bool { return s.State != "" },
	})
	return s.State, err
}

// ProveAdministrator makes a harmless call that only an administrator may.
func (c *Client) ProveAdministrator(ctx context.Context) error {
	return c.do(ctx, c.quick, call{method: http.MethodGet, path: "rest/api/latest/admin/cluster"})
}

// effectTimeout is how long a call whose reply was lost may take to show its
// effect: the request can be on its way yet when the connection is gone.
const effectTimeout = 3 * time.Second

// LockTaken reports, after an error of Lock that wraps ErrUnknown, whether the
// instance is locked, and by whom. It asks until that is proven: a lock at once,
// that no lock exists only after a while.
func (c *Client) LockTaken(ctx context.Context) (Owner, bool, error) {
	whole := time.Now().Add(effectTimeout)
	for {
		owner, locked, err := c.lockOwner(ctx, c.once)
		if err == nil && (locked || time.Now().After(whole)) {
			return owner, locked, nil
		}
		select {
		case <-ctx.Done():
			return owner, false, errors.Join(context.Cause(ctx), err)
		case <-time.After(minPause):
		}
	}
}

// Lock locks the instance for its users. It is tried once. An error that wraps
// ErrLocked is a refusal that names somebody else as the owner; one that wraps
// ErrUnknown leaves open whether the instance is locked, or with ErrUnderWay
// will be: who answered may have passed the request on. Any other error means
// that the request was never sent.
func (c *Client) Lock(ctx context.Context) (Lease, error) {
	var reply struct {
		UnlockToken string `json:"unlockToken"`
	}
	err := c.do(ctx, c.once, call{
		method: http.MethodPost, path: pathLock, out: &reply, secretReply: true,
		complete: func() bool { return reply.UnlockToken != "" },
	})
	var s *StatusError
	switch {
	case err == nil:
		return Lease{UnlockToken: secret.New(reply.UnlockToken)}, nil
	case neverSent(err):
		return Lease{}, err
	case errors.As(err, &s) && refused(err, http.StatusConflict) && s.owner.Name != "" && !c.self(s.owner):
		return Lease{}, fmt.Errorf("%w%s: %w", ErrLocked, s.owner.By(), err)
	case underWay(err):
		return Lease{}, fmt.Errorf("%w: %w: %w", ErrUnknown, ErrUnderWay, err)
	}
	return Lease{}, fmt.Errorf("%w: %w", ErrUnknown, err)
}

// self reports whether the owner is the account of this client.
func (c *Client) self(o Owner) bool {
	return o.Name != "" && strings.EqualFold(o.Name, c.config.Username)
}

// By is " by NAME (LOGIN)", or "" if the owner is not known.
func (o Owner) By() string {
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
		complete: func() bool { return reply.CancelToken != "" },
	})
	if refused(err) && status(err) < 500 {
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), effectTimeout)
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
	err := c.do(ctx, c.once, call{
		method: http.MethodGet, path: pathMaintenance, lease: &l, out: &m,
		complete: func() bool { return m.Task != nil && m.Task.State != "" || m.Database != "" && m.SCM != "" },
	})
	return m, err
}

// Complete reports 100 percent, which ends the task and opens both latches. It
// is repeated until a poll says that no task runs, or the context ends: neither
// the reply to the report nor a task that is not found proves that.
func (c *Client) Complete(ctx context.Context, l Lease) error {
	return c.prove(ctx, func() error {
		err := c.do(ctx, c.once, call{method: http.MethodPost, path: pathProgress, query: complete(l), lease: &l})
		return proven(err, c.ended(ctx, l))
	})
}

// complete is what ends the task of l well.
func complete(l Lease) url.Values {
	return url.Values{"token": {l.UnlockToken.Reveal()}, "percentage": {"100"}}
}

// proven is nil if the effect of a call is proven, whatever became of the call
// itself, and otherwise both reasons.
func proven(call, unproven error) error {
	switch {
	case unproven == nil:
		return nil
	case call != nil:
		return fmt.Errorf("%w (%w)", call, unproven)
	}
	return fmt.Errorf("%w: %w", ErrUnproven, unproven)
}

func (c *Client) taskRuns(ctx context.Context, l Lease) bool {
	m, err := c.Maintenance(ctx, l)
	return err == nil && m.Running()
}
