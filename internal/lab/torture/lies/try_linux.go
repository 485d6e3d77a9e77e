package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"syscall"
	"time"

	"bkp/internal/lab/sandbox"
	"bkp/internal/records/journal"
)

// promise is one that bkp makes.
type promise string

const (
	unlocked promise = "left locked unnoticed"
	covered  promise = "let in with a task running"
	truthful promise = "wrong exit code"
	goesOn   promise = "not made well again"
	ends     promise = "no end"
)

var promises = []promise{unlocked, covered, truthful, goesOn, ends}

// violation is a promise that was not kept.
type violation struct {
	promise
	detail string
}

// outcome is what came of a case.
type outcome struct {
	lie
	reached    bool
	said       spoken // by the bkp that was lied to, if it lived
	violations []violation
	// healed: the lies had to end before bkp did.
	healed bool
	locks  int // there were before
}

func (o *outcome) broken(p promise, format string, args ...any) {
	o.violations = append(o.violations, violation{p, fmt.Sprintf(format, args...)})
}

// try carries out a case in a scene, and judges it. The error is for what the
// harness could not do.
func (c *scene) try(ctx context.Context, l lie) (*outcome, error) {
	o := &outcome{lie: l, locks: len(c.server.Locks())}
	c.server.ChangeCorners(func(k *sandbox.Corners) {
		*k = sandbox.Corners{Drain: sandbox.Duration(drain)}
		switch l.act {
		case actFail:
			k.DrainEnd = sandbox.DrainNever
		case actKilled, actRecover, actUnlock:
			k.Drain = sandbox.Duration(time.Hour)
		case actApply:
		}
	})
	var err error
	switch l.act {
	case actApply, actFail:
		err = c.lied(ctx, o, "apply", "--auto-approve")
	case actKilled:
		err = c.guarded(ctx, o)
	case actRecover:
		err = c.afterPowerCut(ctx, o, "recover")
	case actUnlock:
		err = c.afterPowerCut(ctx, o, "unlock")
	}
	o.reached = c.disturbed() > 0
	for _, lock := range c.server.Locks()[o.locks:] {
		if lock.LetIn {
			o.broken(covered, "%+v; bkp ended with %s", lock, o.said)
		}
	}
	if err == nil {
		err = c.heal(ctx, o)
	}
	return o, err
}

// lied runs bkp behind the lying proxy, and judges its exit code.
func (c *scene) lied(ctx context.Context, o *outcome, args ...string) error {
	if err := c.proxy.Set(o.rules()...); err != nil {
		return err
	}
	p, err := c.start(args...)
	if err != nil {
		return err
	}
	if o.life == on {
		o.healed = c.healLater(ctx, p)
	}
	if !p.wait(ctx) {
		o.broken(ends, "bkp %s; it says: %s", args[0], p.said.String())
		return nil
	}
	o.said = p.spoken()
	c.judge(o)
	return nil
}

// healLater ends the lies that have gone on for long enough, and reports
// whether bkp was still waiting for that.
func (c *scene) healLater(ctx context.Context, p *process) bool {
	ctx, cancel := context.WithTimeout(ctx, lying)
	defer cancel()
	select {
	case <-p.ended:
		return false
	case <-ctx.Done():
		c.proxy.Pause() // and not Set: it is asked later whether there were any
		return true
	}
}

// judge compares what bkp said with how the sandbox itself stands.
func (c *scene) judge(o *outcome) {
	state, code := c.server.State(), o.said.code
	switch {
	case code != 0 && code != 1 && code != 3 && code != 4 && code != 6:
		o.broken(truthful, "which it never has: %s", o.said)
	case code != 3 && !state.Idle():
		o.broken(unlocked, "%s; the instance is in state %s", o.said, show(state))
	case code == 3 && state.Idle() && o.life != on && !o.mayComeYet():
		o.broken(truthful, "nothing is locked any more, and it could see that: %s", o.said)
	case code == 3 && !strings.Contains(o.said.text, "bkp unlock") && !strings.Contains(o.said.text, "estart"):
		o.broken(unlocked, "it does not say what to do: %s", o.said)
	}
	made := c.server.Locks()[o.locks:]
	if code == 0 && o.act == actApply && (len(made) == 0 || made[len(made)-1].Outcome != sandbox.Successful) {
		o.broken(truthful, "no backup was completed, %+v: %s", made, o.said)
	}
}

func show(s sandbox.State) string {
	text := "not locked"
	if s.Locked() {
		text = "locked by " + s.Owner.Name
	}
	if s.Task != nil {
		text += ", task " + string(s.Task.State)
	}
	return text
}

// draining starts a backup and returns when its task runs.
func (c *scene) draining(ctx context.Context) (*process, error) {
	if err := c.proxy.Set(); err != nil {
		return nil, err
	}
	p, err := c.start("apply", "--auto-approve")
	if err != nil {
		return nil, err
	}
	known := func() bool {
		runs, err := journal.Unfinished(c.journal())
		return err == nil && len(runs) > 0 && runs[len(runs)-1].CancelToken != ""
	}
	if !until(ctx, known) {
		_ = p.cmd.Process.Kill()
		<-p.ended
		return nil, fmt.Errorf("a backup does not come to its drain: %s", p.spoken())
	}
	return p, nil
}

// guarded kills bkp during the drain, and judges its guardian.
func (c *scene) guarded(ctx context.Context, o *outcome) error {
	p, err := c.draining(ctx)
	if err != nil {
		return err
	}
	// What the rules meet is the guardian's alone.
	_ = p.cmd.Process.Signal(syscall.SIGSTOP)
	err = c.proxy.Set(o.rules()...)
	_ = p.cmd.Process.Kill()
	<-p.ended
	if err != nil {
		return err
	}
	if o.life == on {
		wait, cancel := context.WithTimeout(ctx, lying)
		defer cancel()
		until(wait, func() bool { return len(c.processes()) == 0 })
		o.healed = len(c.processes()) > 0
	} else {
		c.gone(ctx)
	}
	runs, err := journal.Unfinished(c.journal())
	held := false
	for _, r := range runs {
		held = held || r.MayBeLocked
	}
	switch state := c.server.State(); {
	case !state.Idle() && !held && err == nil:
		o.broken(unlocked, "the journal says it is released, and it is %s", show(state))
	case !state.Idle() && o.life != on:
		o.broken(unlocked, "the guardian has ended or goes on for ever, and the instance is %s", show(state))
	}
	return nil
}

// afterPowerCut kills bkp and its guardian during the drain, and runs a command
// behind the lying proxy.
func (c *scene) afterPowerCut(ctx context.Context, o *outcome, command string) error {
	p, err := c.draining(ctx)
	if err != nil {
		return err
	}
	c.kill()
	<-p.ended
	return c.lied(ctx, o, command)
}

// heal lets the truth through, and sees that bkp makes all well: by unlock,
// recover, the next apply, or its guardian, whichever is this case's turn.
func (c *scene) heal(ctx context.Context, o *outcome) error {
	if err := c.proxy.Set(); err != nil {
		return err
	}
	c.server.ChangeCorners(func(k *sandbox.Corners) { *k = sandbox.Corners{Drain: sandbox.Duration(drain)} })
	if err := c.cure(ctx, o); err != nil {
		return err
	}
	if !c.server.State().Idle() {
		if len(o.violations) == 0 {
			o.broken(goesOn, "the instance is %s", show(c.server.State()))
		}
		c.server.Restart()
	}
	if !c.gone(ctx) {
		o.broken(ends, "a process of bkp does not end")
		c.kill()
	}
	for _, args := range [][]string{{"recover"}, {"apply", "--auto-approve"}} {
		said, err := c.bkp(ctx, args...)
		if err != nil {
			return err
		}
		if said.code != 0 || !c.server.State().Idle() {
			o.broken(goesOn, "at the end, bkp %s: %s", args[0], said)
		}
	}
	return nil
}

// cure lets bkp act on what was left.
func (c *scene) cure(ctx context.Context, o *outcome) error {
	if c.server.State().Idle() {
		return nil
	}
	cures := [][]string{{"unlock"}, {"recover"}, {"apply", "--auto-approve"}}
	if o.act == actKilled {
		cures = append(cures, nil) // the guardian alone
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(o.String()))
	args := cures[h.Sum32()%uint32(len(cures))]
	if args == nil {
		c.gone(ctx)
		return nil
	}
	known := c.tokenKnown()
	said, err := c.bkp(ctx, args...)
	switch {
	case err != nil:
		return err
	case known && said.code != 0:
		o.broken(goesOn, "bkp %s with the proxy well again: %s", args[0], said)
	case !known && (said.code == 0 || !strings.Contains(said.text, "estart")) && !c.server.State().Idle():
		o.broken(unlocked, "its token is lost, and bkp %s says: %s", args[0], said)
	case !known:
		c.server.Restart() // as the message asks the administrator to
	}
	return nil
}
