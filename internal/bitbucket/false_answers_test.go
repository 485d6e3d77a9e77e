package bitbucket_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/lab/sandbox"
	"bkp/internal/lab/sandbox/proxy"
	"bkp/internal/secret"
)

// falseAnswers are what may come in the instance's place: those that the proxy
// knows, and some that only a client can get wrong.
func falseAnswers() map[string]*proxy.Answer {
	out := map[string]*proxy.Answer{
		"huge-200":     {Header: map[string]string{"Content-Type": "application/json"}, Body: `{"state":"` + strings.Repeat("x", 5<<20) + `"}`},
		"text-200":     {Header: map[string]string{"Content-Type": "text/plain"}, Body: `{"state":"RUNNING"}`},
		"errors-200":   {Header: map[string]string{"Content-Type": "application/json"}, Body: `{"errors":[{"message":"no"}]}`},
		"page-of-json": {Header: map[string]string{"Content-Type": "application/json"}, Body: "<html>Log in</html>"},
	}
	for _, name := range proxy.Names() {
		out[name] = proxy.Named(name)
	}
	return out
}

// disturbed are the calls that are answered falsely; "" is every call.
var disturbed = []sandbox.Call{
	sandbox.CallLock, sandbox.CallLockState, sandbox.CallStart, sandbox.CallMaintenance, sandbox.CallProgress,
	sandbox.CallCancel, sandbox.CallUnlock, sandbox.CallStatus, sandbox.CallProperties, "",
}

// lives are how long a rule holds, in simulated time.
var lives = map[string]func(*proxy.Rule){
	"once":    func(r *proxy.Rule) { r.To = 1 },
	"a while": func(r *proxy.Rule) { r.For = sandbox.Duration(1500 * time.Millisecond) },
	"always":  func(*proxy.Rule) {},
}

// TestNoFalseAnswerIsBelieved answers each call of a backup falsely, passed on
// or not, and asks the instance itself, past the proxy, whether what the client
// claims is so.
func TestNoFalseAnswerIsBelieved(t *testing.T) {
	for name, answer := range falseAnswers() {
		t.Run(name, func(t *testing.T) {
			for life, hold := range lives {
				if len(answer.Body) > 1<<20 && life != "once" {
					continue // it is the same answer, and takes minutes
				}
				for _, call := range disturbed {
					for _, pass := range []bool{false, true} {
						rule := proxy.Rule{Call: call, Pass: pass, Answer: answer}
						hold(&rule)
						what := fmt.Sprintf("%s %q, passed on %t", life, call, pass)
						synctest.Test(t, func(t *testing.T) { backUp(t, what, rule) })
					}
				}
			}
		})
	}
}

// behind is a client whose calls go through a proxy with one rule.
func behind(t *testing.T, rule proxy.Rule) (*sandbox.Server, *bitbucket.Client) {
	t.Helper()
	return behindAll(t, rule)
}

func behindAll(t *testing.T, rules ...proxy.Rule) (*sandbox.Server, *bitbucket.Client) {
	t.Helper()
	server := sandbox.NewServer(sandbox.Options{Corners: sandbox.Corners{Drain: sandbox.Duration(time.Second)}})
	p := proxy.New(server)
	if err := p.Set(rules...); err != nil {
		t.Fatal(err)
	}
	c, err := bitbucket.New(bitbucket.Config{
		URL: "http://bitbucket.test", Username: "admin", Password: secret.New("admin"), Transport: p.Transport(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return server, c
}

// backUp goes through a backup as a run does, and compares each claim with the
// instance.
func backUp(t *testing.T, what string, rule proxy.Rule) {
	t.Helper()
	server, c := behind(t, rule)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	l, err := c.Lock(ctx)
	if err != nil {
		if errors.Is(err, bitbucket.ErrUnknown) {
			owner, locked, unproven := c.LockTaken(ctx)
			if unproven == nil && locked != server.State().Locked() {
				t.Errorf("%s: locked %t by %q, but it is %t", what, locked, owner.Name, !locked)
			}
			return
		}
		if server.State().Locked() {
			t.Errorf("%s: the lock counts as refused, but it was taken: %v", what, err)
		}
		return
	}
	l, failed := capture(ctx, c, l)
	if failed == nil {
		failed = c.Complete(ctx, l)
		if task := server.State().Task; failed == nil && task != nil && task.State == sandbox.Running {
			t.Errorf("%s: the task counts as completed and is running", what)
		}
	}
	if errors.Is(failed, bitbucket.ErrLost) && server.State().Locked() {
		t.Errorf("%s: the lock counts as lost and is held: %v", what, failed)
	}
	if failed == nil {
		failed = c.Unlock(ctx, l)
	} else {
		released, end := context.WithTimeout(t.Context(), 90*time.Second)
		defer end()
		failed = c.Release(released, l)
	}
	if failed == nil && !server.State().Idle() {
		t.Errorf("%s: the instance counts as released and is not: %+v", what, server.State())
	}
	// What passes by itself must not leave anything behind.
	if failed != nil && (rule.To > 0 || rule.For > 0) {
		t.Errorf("%s: not released although only some answers were false: %v", what, failed)
	}
}

// capture does what comes between lock and complete.
func capture(ctx context.Context, c *bitbucket.Client, l bitbucket.Lease) (bitbucket.Lease, error) {
	l, err := c.Start(ctx, l)
	if err != nil {
		return l, err
	}
	if _, err := c.WaitDrained(ctx, l, 10*time.Second); err != nil {
		return l, err
	}
	return l, c.StillOurs(ctx, l, 10*time.Second)
}

// TestDrainedIsNoticedWithin20ms holds after a drain of any length, and an
// instance that is slow to answer is not asked all the time.
func TestDrainedIsNoticedWithin20ms(t *testing.T) {
	for _, drain := range []time.Duration{30 * time.Millisecond, time.Second, 10*time.Minute + 7*time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			server, c := behind(t, proxy.Rule{Call: sandbox.CallCluster, Pass: true})
			server.ChangeCorners(func(k *sandbox.Corners) { k.Drain = sandbox.Duration(drain) })
			l, err := c.Lock(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if l, err = c.Start(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			since, err := c.WaitDrained(t.Context(), l, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			record := server.Locks()[0]
			if late := record.DrainedToNoticed(); late > 20*time.Millisecond {
				t.Errorf("after a drain of %s: noticed %s late", drain, late)
			}
			if drained := time.Now().Add(-record.DrainedToNoticed()); since.After(drained) {
				t.Errorf("after a drain of %s: the client's figure begins %s after DRAINED", drain, since.Sub(drained))
			}
		})
	}
}

// TestANodeThatCallsItselfRunningProvesNoRelease: /status comes from a cache, or from a
// node that does not know yet, and the unlock never arrived.
func TestANodeThatCallsItselfRunningProvesNoRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := behindAll(t,
			proxy.Rule{Call: sandbox.CallUnlock, To: 1, Answer: proxy.Named("empty-204")},
			proxy.Rule{Call: sandbox.CallStatus, For: sandbox.Duration(time.Second), Answer: &proxy.Answer{
				Status: http.StatusOK, Header: map[string]string{"Content-Type": "application/json"}, Body: `{"state":"RUNNING"}`,
			}})
		l, err := c.Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Unlock(t.Context(), l); err != nil || server.State().Locked() {
			t.Errorf("locked %t, unlocked with %v", server.State().Locked(), err)
		}
	})
}

// TestNoLatchStaysBehindAnUnlock: a lock can go while the task runs, such as by an
// unlock that was given up as lost and arrived after all.
func TestNoLatchStaysBehindAnUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := behindAll(t)
		l, err := c.Lock(t.Context())
		if err == nil {
			l, err = c.Start(t.Context(), l)
		}
		if err == nil {
			_, err = c.WaitDrained(t.Context(), l, time.Minute)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Unlock(t.Context(), l); err != nil || !server.State().Idle() {
			t.Errorf("%+v, unlocked with %v", server.State(), err)
		}
	})
}
