package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bkp/internal/lab/torture/trace"
)

// perScene is how many cases follow each other in one scene: with each, the
// users push more, and everything takes a little longer.
const perScene = 20

// thoroughEvery is how often the backup that follows a case is restored too, and
// not only verified. What a disturbed run has listed is always restored.
const thoroughEvery = 10

// campaign is one run of the whole.
type campaign struct {
	site
	out     io.Writer
	workers int
	// scenarios are those that effects are looked for in, and kills made.
	scenarios []scenario
	report    *report

	said sync.Mutex
}

func (c *campaign) say(format string, args ...any) {
	c.said.Lock()
	defer c.said.Unlock()
	_, _ = fmt.Fprintf(c.out, format+"\n", args...)
}

// survey goes through each scenario undisturbed and notes its effects.
func (c *campaign) survey(ctx context.Context) (effects, error) {
	all := effects{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.workers)
	for _, s := range c.scenarios {
		g.Go(func() error {
			found, err := c.surveyOne(ctx, s)
			mu.Lock()
			defer mu.Unlock()
			all[s] = found
			return err
		})
	}
	return all, g.Wait()
}

func (c *campaign) surveyOne(ctx context.Context, s scenario) (found []seen, err error) {
	sc, err := c.newScene(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sc.close(context.WithoutCancel(ctx))) }()
	if err := sc.begin(ctx, s.act); err != nil {
		return nil, err
	}
	var order []string
	stop := sc.busy(ctx, slowly)
	got, err := sc.disturb(ctx, failure{scenario: s}, func(e trace.Effect) {
		k := sc.classOf(e)
		i := slices.IndexFunc(found, func(s seen) bool { return s.class == k })
		if i < 0 {
			i, found = len(found), append(found, seen{class: k, main: e.Main, socket: e.IsSocket()})
		}
		found[i].count++
		order = append(order, k.call+" "+k.target)
	})
	if err = errors.Join(err, stop()); err == nil && got.Status.ExitStatus() != 0 {
		err = fmt.Errorf("undisturbed, %s: %s\n%s", s, got.how(), got.output)
	}
	if err == nil && s.act.applies() {
		err = journaledFirst(order)
	}
	return found, err
}

// journaledFirst reports whether what a crash must not lose was in the journal, and
// the journal on disk, before bkp went on. A kill alone does not show this: what
// was written outlives the process, and only a power cut takes it.
func journaledFirst(order []string) error {
	const record, sync = "write state/journal/ID.jsonl:", "sync state/journal/ID.jsonl"
	for kind, before := range map[string]string{
		"lock_intent": "write instance:POST:/mvc/maintenance/lock",
		"locked":      "write instance:POST:/mvc/admin/backups",
		"unlocked":    record + "run_done",
	} {
		written := slices.Index(order, record+kind)
		effect := slices.Index(order, before)
		if written < 0 || effect < written || !slices.Contains(order[written:effect], sync) {
			return fmt.Errorf("%w: the record %s is not safe on disk before: %s", errViolated, kind, before)
		}
	}
	return nil
}

// batch are cases for one scene.
type batch []failure

// all carries out the cases, and kills at random moments.
func (c *campaign) all(ctx context.Context, cases []failure, kills int) error {
	begun := time.Now()
	c.say("%d cases and %d kills at random moments, %d at once", len(cases), kills, c.workers)
	if err := c.batches(ctx, split(cases)); err != nil {
		return err
	}
	// A kill may come too late, when all is done: then another follows.
	all := turns(c.scenarios)
	for next := 0; ; {
		var more []failure
		for missing := kills - c.report.killed(); missing > 0; missing-- {
			more = append(more, failure{scenario: all[next%len(all)], nth: next, kind: kindRandom})
			next++
		}
		if len(more) == 0 {
			break
		}
		if err := c.batches(ctx, split(more)); err != nil {
			return err
		}
	}
	c.report.took = time.Since(begun)
	return nil
}

// turns are the scenarios in the order in which bkp is killed in them: a backup
// more often than what else there is.
func turns(all []scenario) []scenario {
	var out []scenario
	for _, s := range all {
		out = append(out, s)
		if s.act.applies() {
			out = append(out, s)
		}
	}
	return out
}

// split makes batches of cases that can follow each other in a scene: those of
// one database, home and archive.
func split(cases []failure) []batch {
	type site struct{ database, home, archive string }
	var order []site
	sites := map[site]batch{}
	for _, f := range cases {
		key := site{f.database, f.home, f.archive}
		if sites[key] == nil {
			order = append(order, key)
		}
		sites[key] = append(sites[key], f)
	}
	var out []batch
	for _, key := range order {
		for part := range slices.Chunk(sites[key], perScene) {
			out = append(out, part)
		}
	}
	return out
}

func (c *campaign) batches(ctx context.Context, all []batch) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.workers)
	for _, b := range all {
		g.Go(func() error { return c.batch(ctx, b) })
	}
	return g.Wait()
}

// batch carries out cases one after the other. After one that went wrong the
// scene is thrown away: what comes next is not to suffer from it.
func (c *campaign) batch(ctx context.Context, b batch) (err error) {
	var sc *scene
	defer func() {
		if sc != nil {
			err = errors.Join(err, sc.close(context.WithoutCancel(ctx)))
		}
	}()
	for i, f := range b {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if sc == nil {
			if sc, err = c.newScene(ctx, f.scenario); err != nil {
				return err
			}
		}
		o, err := sc.try(ctx, f, i%thoroughEvery == 0)
		if err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		n := c.report.add(o)
		for _, v := range o.violations {
			c.say("%s: %s: %s", f, v.promise, v.detail)
		}
		if n%100 == 0 {
			c.say("%d cases, %d violations", n, c.report.violated())
		}
		if len(o.violations) > 0 {
			if err := sc.close(ctx); err != nil {
				return err
			}
			sc = nil
		}
	}
	return nil
}

// only carries out one case, and shows all of it.
func (c *campaign) only(ctx context.Context, text string) (err error) {
	f, err := parseFailure(text)
	if err != nil {
		return err
	}
	sc, err := c.newScene(ctx, f.scenario)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sc.close(context.WithoutCancel(ctx))) }()
	o, err := sc.try(ctx, f, true)
	if err != nil {
		return err
	}
	c.report.add(o)
	c.say("%s\nreached %v, %s, unlocked %s later, locked for %s\n%s", f, o.reached, o.how(), o.unlockTook(), o.lockedFor(), o.output)
	for _, v := range o.violations {
		c.say("%s: %s", v.promise, v.detail)
	}
	if len(o.violations) > 0 {
		return errViolated
	}
	return nil
}
