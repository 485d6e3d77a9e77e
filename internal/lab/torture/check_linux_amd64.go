package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bkp/internal/records/catalog"
)

// promise is one that bkp makes.
type promise string

const (
	unlocked promise = "left locked"
	tidy     promise = "litter"
	restores promise = "bad backup"
	discreet promise = "secret"
	goesOn   promise = "next run failed"
	truthful promise = "untrue or no end"
	exact    promise = "stray file in copy"
)

var promises = []promise{unlocked, tidy, restores, discreet, goesOn, truthful, exact}

// violation is a promise that was not kept.
type violation struct {
	promise
	detail string
}

// outcome is what came of a case.
type outcome struct {
	injury
	violations []violation
	// reported: the token of the lock was lost, and bkp said so and what to do.
	reported bool
	// proven is how many backups were verified, and restored.
	verified, restored int
}

func (o *outcome) broken(p promise, format string, args ...any) {
	o.violations = append(o.violations, violation{p, fmt.Sprintf(format, args...)})
}

// try carries out a case in a scene, and judges it. The error is for what the
// harness could not do.
func (c *scene) try(ctx context.Context, f failure, thorough bool) (*outcome, error) {
	if err := c.begin(ctx, f.act); err != nil {
		return nil, err
	}
	pause := slowly
	if f.kind == kindRandom {
		pause = quickly
	}
	stop := c.busy(ctx, pause)
	got, err := c.disturb(ctx, f, nil)
	if err = errors.Join(err, stop()); err != nil {
		return nil, err
	}
	o := &outcome{injury: got}
	c.judgeEnd(o)
	if err := c.judgeLock(ctx, o); err != nil {
		return o, err
	}
	steps := []func(context.Context, *outcome) error{
		c.recovers, c.judgeSessions, c.judgeFolders, c.judgeBackups, c.resumes, c.judgeAct,
		func(ctx context.Context, o *outcome) error { return c.next(ctx, o, thorough) },
		c.judgeFolders, c.judgeCopy,
	}
	for _, step := range steps {
		if err := step(ctx, o); err != nil {
			return o, err
		}
	}
	c.judgeSecrets(o)
	return o, nil
}

// judgeEnd judges how bkp ended, and whether that is what it said.
func (c *scene) judgeEnd(o *outcome) {
	if o.Late {
		o.broken(truthful, "it had not ended after %s", c.site.limit())
	}
	for _, p := range o.Left {
		o.broken(tidy, "process %s was alive %s after bkp", p, c.site.linger())
	}
	code := o.Status.ExitStatus()
	switch {
	case o.mayDie() || o.Late:
	case o.Status.Signaled():
		o.broken(truthful, "%s", o.how())
	case !slices.Contains([]int{0, 1, 3, 4, 6}, code):
		o.broken(truthful, "%s, which it never has", o.how())
	case code == 3 && o.act.recovers() && o.free.IsZero(): // as it says
	case code == 3 && !o.tokenLost():
		o.broken(truthful, "exit code 3, but its token was not lost")
	case code != 3 && !o.free.IsZero() && o.unlockTook() > 0:
		o.broken(truthful, "%s, but the instance was locked for %s more", o.how(), o.unlockTook())
	case code != 3 && o.free.IsZero():
		o.broken(truthful, "%s, but the instance was locked", o.how())
	}
}

// judgeLock judges whether the instance was given back in time.
func (c *scene) judgeLock(ctx context.Context, o *outcome) error {
	switch {
	case !o.free.IsZero():
		switch late := o.lockedFor() > c.site.hungUntil(); {
		case late && o.tokenLost():
			o.reported = true // it was free again when its holder went on
		case late:
			o.broken(unlocked, "for %s while bkp lived", o.lockedFor())
		}
		return nil
	case o.unguarded() && !o.tokenLost():
		said, err := c.bkp(ctx, "recover")
		if err == nil && !c.server.State().Idle() {
			o.broken(unlocked, "after recover, which says: %s", said)
			c.server.Restart()
		}
		return err
	case !o.tokenLost():
		o.broken(unlocked, "%s after the end of bkp (%s): %+v", c.site.within, o.how(), c.server.State())
		c.server.Restart()
		return nil
	}
	o.reported = true
	if !o.mayDie() && o.Status.ExitStatus() != 3 {
		o.broken(truthful, "%s with a lock whose token is lost", o.how())
	}
	said, err := c.bkp(ctx, "recover")
	if err != nil {
		return err
	}
	if said.code == 0 || !strings.Contains(said.err, "restart") {
		o.broken(truthful, "a lock whose token is lost, and recover says: %s", said)
	}
	c.server.Restart() // as the message asks the administrator to
	return nil
}

func (c *scene) recovers(ctx context.Context, o *outcome) error {
	said, err := c.bkp(ctx, "recover")
	if err != nil {
		return err
	}
	if said.code != 0 {
		o.broken(goesOn, "recover: %s", said)
		return nil
	}
	again, err := c.bkp(ctx, "recover")
	if err == nil && (again.code != 0 || !strings.Contains(again.err, "no interrupted runs")) {
		o.broken(tidy, "after recover, recover says: %s", again)
	}
	return err
}

// judgeSessions gives the server the time to notice that its client is gone.
func (c *scene) judgeSessions(ctx context.Context, o *outcome) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); c.engine != nil; <-tick.C {
		left, err := c.engine.sessions(ctx, c.name)
		if err != nil || len(left) == 0 {
			return err
		}
		if time.Since(begun) > c.site.within {
			o.broken(tidy, "database sessions: %q", left)
			return nil
		}
	}
	return nil
}

// judgeBackups proves every backup that is listed and was not proven before.
func (c *scene) judgeBackups(ctx context.Context, o *outcome) error {
	all, err := c.listed(ctx)
	if err != nil {
		return err
	}
	for _, e := range all {
		if id := string(e.Manifest.ID); e.Status == catalog.Complete && !c.known[id] {
			if err := c.prove(ctx, o, id, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// prove verifies a backup, and restores it.
func (c *scene) prove(ctx context.Context, o *outcome, id string, whole bool) (err error) {
	c.known[id] = true
	said, err := c.bkp(ctx, "verify", id)
	if err != nil {
		return err
	}
	if o.verified++; said.code != 0 {
		o.broken(restores, "verify %s: %s", id, said)
	}
	if !whole {
		return nil
	}
	target := filepath.Join(c.dir, "restored", "home")
	defer func() { err = errors.Join(err, c.remove(ctx, target)) }()
	if said, err = c.bkp(ctx, c.restoring(id, target)...); err != nil {
		return err
	}
	if o.restored++; said.code != 0 {
		o.broken(restores, "restore %s: %s", id, said)
		return nil
	}
	return c.judgeConsistent(ctx, o, target)
}

// resumes stores what was captured and could not be stored.
func (c *scene) resumes(ctx context.Context, o *outcome) error {
	all, err := c.listed(ctx)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Status != catalog.Captured {
			continue
		}
		said, err := c.bkp(ctx, "apply", "--resume", string(e.Manifest.ID))
		if err != nil {
			return err
		}
		if said.code != 0 {
			o.broken(goesOn, "resume: %s", said)
			continue
		}
		if err := c.prove(ctx, o, string(e.Manifest.ID), true); err != nil {
			return err
		}
	}
	return nil
}

// next makes the backup that follows, undisturbed.
func (c *scene) next(ctx context.Context, o *outcome, thorough bool) error {
	said, err := c.backUp(ctx)
	if err != nil {
		return err
	}
	if said.code != 0 {
		o.broken(goesOn, "the next bkp apply: %s", said)
		return nil
	}
	all, err := c.listed(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 || all[0].Status != catalog.Complete {
		o.broken(goesOn, "the next backup is not listed as complete")
		return nil
	}
	return c.prove(ctx, o, string(all[0].Manifest.ID), thorough)
}
