package apply_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
	"bkp/internal/engine/walk"
	"bkp/internal/lab/sandbox"
	"bkp/internal/records/journal"
	"bkp/internal/secret"
)

// inMemory is a bench without a network, for simulated time.
func inMemory(t *testing.T) *bench {
	t.Helper()
	b := &bench{server: sandbox.NewServer(sandbox.Options{}), part: &part{}, shelf: &shelf{}, state: t.TempDir()}
	client, err := bitbucket.New(bitbucket.Config{
		URL: "http://bitbucket.test", Username: "admin", Password: secret.New("admin"), Transport: b.server.Transport(),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.catalog.Dir = b.state + "/catalog"
	b.run = b.newRun(t, client, "prod-20261122T214431Z")
	b.locked.DrainTimeout, b.locked.Budget, b.locked.Grace = plan.Duration(time.Hour), plan.Duration(8*time.Hour), plan.Duration(2*time.Minute)
	return b
}

// outage is how long users were locked out in the end.
func (b *bench) outage(t *testing.T) time.Duration {
	t.Helper()
	locks := b.server.Locks()
	if len(locks) != 1 {
		t.Fatalf("%d locks", len(locks))
	}
	if locks[0].Unlocked.IsZero() {
		return time.Since(locks[0].Locked)
	}
	return locks[0].Unlocked.Sub(locks[0].Locked)
}

// around expects an instant to the second, and some slack.
func around(t *testing.T, what string, got, want, slack time.Duration) {
	t.Helper()
	if got < want || got > want+slack+time.Second {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// idleGuard is a guard that only remembers.
type idleGuard struct {
	client    *bitbucket.Client
	abandoned bool
}

func (g *idleGuard) Lock(ctx context.Context) (bitbucket.Lease, error) { return g.client.Lock(ctx) }
func (g *idleGuard) Hold(bitbucket.Lease) error                        { return nil }
func (g *idleGuard) Released() error                                   { return nil }
func (g *idleGuard) Abandon() error                                    { g.abandoned = true; return nil }

// hour is one scene of TestHours.
type hour struct {
	arrange func(*bench)
	// want is what the error wraps; nil for success.
	want error
	// outage of the users, and when the run ended, to the second.
	outage, ended time.Duration
	// slack is added for the pauses between two tries.
	slack time.Duration
	// locked: the run has to say that the instance may still be.
	locked bool
	check  func(*testing.T, *bench, error)
}

func always(status int) map[sandbox.Call][]int {
	many := make([]int, 1<<14)
	for i := range many {
		many[i] = status
	}
	return map[sandbox.Call][]int{sandbox.CallUnlock: many}
}

func until(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// deaf is a step that goes on for a day, even after it is cancelled.
func deaf(context.Context) error { time.Sleep(24 * time.Hour); return nil }

func hours() map[string]hour {
	return map[string]hour{
		// A drain is polled some sixty times a second, so these are minutes.
		"the drain never ends, and has five minutes": {
			arrange: func(b *bench) {
				b.locked.DrainTimeout = plan.Duration(5 * time.Minute)
				b.corners(func(c *sandbox.Corners) { c.DrainEnd = sandbox.DrainNever })
			},
			want: apply.ErrDrainTimeout, outage: 5 * time.Minute, ended: 5 * time.Minute,
		},
		"the drain never ends, and the budget is three minutes": {
			arrange: func(b *bench) {
				b.locked.Budget = plan.Duration(3 * time.Minute)
				b.corners(func(c *sandbox.Corners) { c.DrainEnd = sandbox.DrainNever })
			},
			want: apply.ErrBudget, outage: 3 * time.Minute, ended: 3 * time.Minute,
		},
		"the drain ends after almost five minutes": {
			arrange: func(b *bench) {
				b.corners(func(c *sandbox.Corners) { c.Drain = sandbox.Duration(5*time.Minute - time.Second) })
			},
			outage: 5*time.Minute - time.Second, ended: 5*time.Minute - time.Second,
		},
		"a capture hangs until it is cancelled": {
			arrange: func(b *bench) { b.part.capture = until },
			want:    apply.ErrBudget, outage: 8 * time.Hour, ended: 8 * time.Hour,
		},
		"a capture is deaf": {
			arrange: func(b *bench) { b.part.capture = deaf; b.locked.Budget = plan.Duration(time.Hour) },
			want:    walk.ErrStuck, outage: time.Hour, ended: time.Hour + time.Minute,
			check: func(t *testing.T, b *bench, err error) {
				if !errors.Is(err, apply.ErrBudget) {
					t.Errorf("the cause is not said: %v", err)
				}
				if b.part.did("discard") {
					t.Error("it was discarded while it went on")
				}
				if r, err := journal.Load(b.state+"/journal", b.run.ID); err != nil || r.Ended || r.MayBeLocked || len(r.Components) == 0 {
					t.Errorf("the next run has nothing to go by: %+v, %v", r, err)
				}
			},
		},
		"the instance refuses the unlock, also when it is asked again": {
			arrange: func(b *bench) { b.corners(func(c *sandbox.Corners) { c.Answers = always(503) }) },
			want:    apply.ErrMayBeLocked, locked: true, outage: 10 * time.Minute, ended: 10 * time.Minute,
			check: func(t *testing.T, b *bench, _ error) {
				if !b.guard.abandoned {
					t.Error("the guard was released")
				}
			},
		},
		"every call stalls for 29 seconds": {
			arrange: func(b *bench) { b.stall(29 * time.Second) },
			// Lock, start, poll, still ours, complete, the proof of it, unlock. Asking
			// who holds the lock comes before and after.
			outage: 6 * 29 * time.Second, ended: 9 * 29 * time.Second,
		},
		"the lock is not answered in time": {
			arrange: func(b *bench) {
				b.corners(func(c *sandbox.Corners) {
					c.Delays = map[sandbox.Call]sandbox.Duration{sandbox.CallLock: sandbox.Duration(time.Minute)}
				})
			},
			// The reply is waited for as long as for any call, and it is asked for
			// three seconds whether the lock came.
			want: apply.ErrTokenUnknown, locked: true, ended: 33 * time.Second,
		},
		"the instance is away for a minute, and says to come again in half a minute": {
			arrange: func(b *bench) {
				b.part.capture = func(context.Context) error {
					b.corners(func(c *sandbox.Corners) { c.NodeState = "STARTING" })
					time.AfterFunc(time.Minute, func() { b.corners(func(c *sandbox.Corners) { c.NodeState = "" }) })
					return nil
				}
			},
			outage: time.Minute, ended: time.Minute, slack: 2 * time.Second,
		},
		"the instance is away for four minutes of the release": {
			arrange: func(b *bench) {
				b.part.capture = func(context.Context) error {
					b.corners(func(c *sandbox.Corners) { c.NodeState = "STARTING" })
					time.AfterFunc(4*time.Minute, func() { b.corners(func(c *sandbox.Corners) { c.NodeState = "" }) })
					return errors.New("boom")
				}
			},
			outage: 4 * time.Minute, ended: 4 * time.Minute, slack: 5 * time.Second,
			check: func(t *testing.T, _ *bench, err error) {
				if err == nil {
					t.Error("no error")
				}
			},
		},
		"a live pass hangs, and the operator is in a hurry after two hours": {
			arrange: func(b *bench) {
				b.part.prepare = deaf
				time.AfterFunc(2*time.Hour, b.interrupt)
				time.AfterFunc(2*time.Hour, b.hurry)
			},
			want: walk.ErrStuck, ended: 2*time.Hour + 7*time.Second,
		},
		"a dump hangs, and the operator is in a hurry after two hours": {
			arrange: func(b *bench) {
				b.part.finish = deaf
				time.AfterFunc(2*time.Hour, b.interrupt)
				time.AfterFunc(2*time.Hour, b.hurry)
			},
			want: apply.ErrLost, ended: 2*time.Hour + 7*time.Second,
		},
	}
}

// stall delays every call.
func (b *bench) stall(d time.Duration) {
	b.corners(func(c *sandbox.Corners) {
		c.Delays = map[sandbox.Call]sandbox.Duration{}
		for _, call := range []sandbox.Call{
			sandbox.CallLock, sandbox.CallLockState, sandbox.CallUnlock, sandbox.CallStart, sandbox.CallMaintenance, sandbox.CallProgress, sandbox.CallCancel,
		} {
			c.Delays[call] = sandbox.Duration(d)
		}
	})
}

// TestHours lets hours of waiting, stalls and deadlines pass in simulated time,
// and asserts when everything happens.
func TestHours(t *testing.T) {
	begun := time.Now()
	var mu sync.Mutex
	var simulated time.Duration
	for name, h := range hours() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				passed := h.play(t)
				mu.Lock()
				defer mu.Unlock()
				simulated += passed
			})
		})
	}
	t.Logf("%s simulated in %s", simulated, time.Since(begun).Round(time.Millisecond))
	if simulated < 8*time.Hour {
		t.Errorf("only %s were simulated", simulated)
	}
}

// play runs one scene and returns how long its run took.
func (h hour) play(t *testing.T) time.Duration {
	b := inMemory(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var hurry context.CancelFunc
	b.run.Cleanup, hurry = context.WithCancel(context.Background())
	defer hurry()
	b.interrupt, b.hurry = cancel, hurry
	client, ok := b.run.Instance.(*bitbucket.Client)
	if !ok {
		t.Fatal("no client")
	}
	b.guard = &idleGuard{client: client}
	b.run.Guard = func(context.Context) (apply.Guard, error) { return b.guard, nil }
	h.arrange(b)
	begun := time.Now()
	_, err := b.run.Do(ctx)
	passed := time.Since(begun)
	if h.want != nil && !errors.Is(err, h.want) || h.want == nil && h.check == nil && err != nil {
		t.Errorf("got %v, want %v", err, h.want)
	}
	if errors.Is(err, apply.ErrMayBeLocked) != h.locked {
		t.Errorf("may be locked: %v", err)
	}
	if !h.locked && !b.server.State().Idle() {
		t.Errorf("left in state %+v", b.server.State())
	}
	around(t, "the run ended after", passed, h.ended, h.slack)
	if h.outage > 0 {
		around(t, "users waited for", b.outage(t), h.outage, h.slack)
	}
	if h.check != nil {
		h.check(t, b, err)
	}
	time.Sleep(48 * time.Hour) // what was left behind ends
	return passed
}
