package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"

	"bkp/internal/lab/sandbox"
	"bkp/internal/lab/torture/trace"
)

const (
	// outageTakes is longer than a few quick repetitions take.
	outageTakes = 2 * time.Second
	// Users pause between two pushes; slowly while every effect is looked at,
	// which takes bkp's time and not theirs.
	slowly, quickly = 150 * time.Millisecond, 20 * time.Millisecond
)

// injury is a disturbed run of bkp.
type injury struct {
	failure
	trace.Result
	// reached reports whether the effect came, or for a random moment, that it came
	// before the end.
	reached bool
	output  string
	// leaked are secrets in the arguments or the environment of a program.
	leaked []string
	locks  []sandbox.LockRecord
	// free is when the instance was seen without lock and task; zero: never.
	free time.Time
}

// disturb runs bkp and disturbs it. With f.kind "" nothing is disturbed, and see,
// if it is not nil, receives every effect.
func (c *scene) disturb(ctx context.Context, f failure, see func(trace.Effect)) (got injury, err error) {
	got = injury{failure: f}
	out, err := os.Create(c.output())
	if err != nil {
		return got, err
	}
	defer func() { _ = out.Close() }()
	o := trace.Options{
		Argv: c.argv(c.arguments(f.act)...), Env: c.env(), Dir: c.dir, Output: out, Limit: c.site.limit(), Linger: c.site.linger(),
		Started: func(pid int, main bool, argv []string) { got.leaked = append(got.leaked, c.leaks(pid, main, argv)...) },
	}
	if f.kind == kindHang {
		// It takes as long as the budget; all else is not to meet it.
		if err := c.configure(c.site.budget); err != nil {
			return got, err
		}
		defer func() { err = errors.Join(err, c.configure(ample)) }()
	}
	before := len(c.server.Locks())
	if f.kind == kindRandom {
		o.Kill = c.moment(f)
	} else {
		o.Decide = c.decide(&got, see)
	}
	tracer := <-c.site.tracers
	got.Result, err = tracer.Run(ctx, o)
	c.site.tracers <- tracer
	if err != nil {
		return got, err
	}
	if f.kind == kindRandom {
		got.reached = got.Killed && got.Status.Signaled()
	}
	got.free = c.freed(got)
	got.locks = c.server.Locks()[before:]
	text, err := os.ReadFile(c.output())
	got.output = string(text)
	return got, errors.Join(err, ctx.Err())
}

// decide disturbs the one effect that is meant.
func (c *scene) decide(got *injury, see func(trace.Effect)) func(trace.Effect) trace.Action {
	n := 0
	var outage time.Time
	return func(e trace.Effect) trace.Action {
		if see != nil {
			see(e)
		}
		if time.Now().Before(outage) && strings.HasPrefix(c.target(e), toInstance) {
			return trace.Action{Errno: syscall.ECONNRESET, Cut: e.IsSocket()}
		}
		if got.kind == "" || got.reached || c.classOf(e) != got.class {
			return trace.Action{}
		}
		if n++; n != got.nth {
			return trace.Action{}
		}
		got.reached = true
		if got.kind == kindOutage {
			outage = time.Now().Add(outageTakes)
		}
		a := c.action(got.failure)
		a.Cut = a.Errno != 0 && e.IsSocket() // such an error is the end of a connection
		return a
	}
}

func (c *scene) action(f failure) trace.Action {
	switch f.kind {
	case kindKill:
		return trace.Action{KillMain: true}
	case kindKillAfter:
		return trace.Action{KillMainAfter: true}
	case kindKillTool:
		return trace.Action{Kill: true}
	case kindCrash:
		return trace.Action{Crash: true}
	case kindKillAll:
		return trace.Action{KillAll: true}
	case kindOutage:
		return trace.Action{Errno: syscall.ECONNRESET}
	case kindLost:
		return trace.Action{CutAfter: true}
	case kindHang:
		return trace.Action{Hold: c.hold(time.Now(), f.act)}
	default:
		return trace.Action{Errno: f.kind.errno()}
	}
}

// hold keeps a thread for as long as the instance is locked, and at least a
// while; but not for ever, so that one that stays locked is found.
func (c *scene) hold(begun time.Time, a act) func() bool {
	const atLeast = 1500 * time.Millisecond
	most := c.site.hungUntil() + time.Second
	if a.recovers() { // nobody else will unlock
		most = atLeast
	}
	return func() bool {
		held := time.Since(begun)
		return held < atLeast || held < most && !c.server.State().Idle()
	}
}

// hungUntil is how long an instance may be locked when bkp hangs: for its budget,
// and as long again for the guardian's grace.
func (s *site) hungUntil() time.Duration { return 2*s.budget + s.within }

// linger is how long anything may outlive bkp.
func (s *site) linger() time.Duration { return s.within + time.Second }

// limit is how long what is disturbed may take. It is for what hangs for good: a first
// copy beside other work on two cores, at a load of 40, took longer than four minutes.
func (s *site) limit() time.Duration { return 15*time.Minute + s.hungUntil() }

// moment is when bkp is killed: somewhere in the time that the same took here
// last.
func (c *scene) moment(f failure) time.Duration {
	random := rand.New(rand.NewPCG(c.site.seed, uint64(f.nth))) //nolint:gosec // not for secrets
	return time.Duration(random.Float64() * float64(c.usually(f.act)))
}

// freed waits until the instance is free, for as long as is promised.
func (c *scene) freed(got injury) time.Time {
	most := c.site.within
	if got.tokenLost() {
		most = min(most, 5*time.Second) // perhaps it was not lost after all
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if c.server.State().Idle() {
			return time.Now()
		}
		if time.Since(got.Ended) > most || got.unguarded() {
			return time.Time{}
		}
		<-tick.C
	}
}

// unlockTook is how long after the end of bkp the last lock was given back.
func (i injury) unlockTook() time.Duration {
	if len(i.locks) == 0 {
		return 0
	}
	return max(i.locks[len(i.locks)-1].Unlocked.Sub(i.Ended), 0)
}

// lockedFor is the longest lock.
func (i injury) lockedFor() time.Duration {
	var longest time.Duration
	for _, l := range i.locks {
		if !l.Unlocked.IsZero() {
			longest = max(longest, l.Unlocked.Sub(l.Locked))
		}
	}
	return longest
}

// tokenLost reports whether nobody may have the token of the lock: it was in a reply
// that was lost, or with the guardian that waited for it. Bitbucket gives it
// once, and then only a restart unlocks.
func (i injury) tokenLost() bool {
	switch i.target {
	case "instance:POST:/mvc/maintenance/lock":
		return i.kind == kindLost || i.kind == kindOutage || i.tool == "guardian" && (i.kind == kindKillTool || i.kind == kindCrash)
	case "state/journal/ID.jsonl:locked": // nobody who knows it lives, and the journal does not have it yet
		return i.kind == kindKillAll
	case "pipe:asking": // it says that it asks, and dies
		return i.kind == kindCrash
	case "pipe:lease": // it alone has the token, and dies, or is stopped, before it hands it over
		return i.tool == "guardian" && (i.kind == kindKillTool || i.kind == kindKillAll || i.kind == kindHang)
	}
	return false
}

// unguarded reports whether nobody is left who could unlock.
func (i injury) unguarded() bool { return i.kind == kindKillAll || i.act.recovers() }

// mayDie reports whether bkp itself was killed, or was made to crash.
func (i injury) mayDie() bool { return i.Killed || i.kind == kindCrash && i.tool == "bkp" }

func (i injury) how() string {
	if i.Status.Signaled() {
		return fmt.Sprint("ended by ", i.Status.Signal())
	}
	return fmt.Sprint("exit code ", i.Status.ExitStatus())
}
