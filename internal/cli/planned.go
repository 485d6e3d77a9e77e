package cli

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bkp/internal/event"
	"bkp/internal/plan"
	"bkp/internal/planner"
	"bkp/internal/problem"
	"bkp/lang"
)

const (
	// planningAtOnce is how many instances are asked at a time. They mostly wait,
	// each for its own server.
	planningAtOnce = 256
	// checkingAtOnce is how many homes, databases and archives are looked at at a
	// time, over all instances: they may share a disk or a database server.
	checkingAtOnce = 32
)

// planned is what the instances' plans come to.
type planned struct {
	// file has the plans to follow, all has those of instances with errors as well.
	file plan.File
	all  []plan.Plan
	// failed has an error for each instance that cannot be backed up now.
	failed []error
	// saved is set when the plans were read from a file.
	saved bool
}

// notBackedUp is what to add at the end of a command that went on without some of
// the instances.
func (p *planned) notBackedUp() error { return asOne(p.failed...) }

// looked is what came of one instance.
type looked struct {
	result planner.Result
	err    error // it could not be looked at
}

// plan checks the chosen instances and lays out their backups. Findings are
// printed. An instance with an error among them is left out, and does not keep
// the others from their backups; if none is left, the error is errReported.
func (s *session) plan(ctx context.Context, targets []string, parallelism int) (*planned, error) {
	instances, err := s.instances(targets)
	if err != nil {
		return nil, err
	}
	p := &planned{file: plan.File{
		Format: plan.Format, Tool: s.version, Folder: s.config.Dir, Created: time.Now().UTC(),
		Config: s.config.Resolved(), ConfigDigest: s.config.Digest(), Offline: s.offline,
	}}
	all, err := s.lookAtAll(ctx, instances, parallelism)
	if err != nil {
		return nil, interruptedBy(ctx, err)
	}
	var findings []planner.Finding
	for n, i := range instances {
		findings = append(findings, all[n].result.Findings...)
		cause := all[n].err
		if bad := all[n].result.Errors(); cause == nil && len(bad) > 0 {
			cause = &bad[0].Problem
		}
		if all[n].err == nil {
			p.all = append(p.all, all[n].result.Plan)
		}
		if cause != nil {
			p.failed = append(p.failed, problem.Wrapf(cause, "not backed up", problem.Remedy(cause), "%s", i.Address))
			continue
		}
		p.file.Plans = append(p.file.Plans, all[n].result.Plan)
	}
	if !s.offline {
		s.doubtClock(instances)
	}
	if err := s.findings(findings); len(p.file.Plans) == 0 {
		return p, s.none(all, err)
	}
	return p, nil
}

// none is the error when no instance can be backed up: what was printed as a
// finding is not said again.
func (s *session) none(all []looked, reported error) error {
	var failed []error
	for _, l := range all {
		failed = append(failed, l.err)
	}
	if err := asOne(failed...); err != nil {
		return err
	}
	return reported
}

// lookAtAll looks at the instances at the same time, and returns what came of
// each, in their order. The error is that of the context alone.
func (s *session) lookAtAll(ctx context.Context, instances []*lang.Instance, parallelism int) ([]looked, error) {
	known, checks := s.records(), semaphore.NewWeighted(checkingAtOnce)
	all := make([]looked, len(instances))
	count := s.counter(len(instances))
	defer count.clear()
	var g errgroup.Group
	g.SetLimit(planningAtOnce)
	for n, i := range instances {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			defer count.next()
			all[n] = s.lookAt(ctx, i, known, checks, parallelism)
			return nil
		})
	}
	_ = g.Wait() // the errors are in all
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return all, nil
}

func (s *session) lookAt(ctx context.Context, i *lang.Instance, known records, checks *semaphore.Weighted, parallelism int) looked {
	o, err := s.open(i, event.Discard{}, parallelism)
	if err != nil {
		return looked{err: err}
	}
	defer o.close()
	r := s.request(o, known)
	r.Checks = checks
	if s.offline {
		result, err := planner.Offline(r)
		return looked{result, err}
	}
	result, err := planner.Plan(ctx, r)
	return looked{result, err}
}

// counter says on a terminal how far the checks of many instances are.
type counter struct {
	s    *session
	all  int
	done atomic.Int64
}

// worthCounting is how many instances are too few for a line of their own.
const worthCounting = 10

func (s *session) counter(all int) *counter { return &counter{s: s, all: all} }

func (c *counter) shown() bool { return c.s.page.Width > 0 && !c.s.JSON && c.all > worthCounting }

func (c *counter) next() {
	if done := c.done.Add(1); c.shown() {
		c.s.page.Status(fmt.Sprintf("checked %d of %d instances", done, c.all))
	}
}

func (c *counter) clear() {
	if c.shown() {
		c.s.page.Status("")
	}
}
