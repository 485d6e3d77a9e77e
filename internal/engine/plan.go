package engine

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/internal/event"
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
	// abroadAtOnce is how many are looked at on other machines at a time. They share
	// nothing but this one, which has a process for each.
	abroadAtOnce = 256
)

// Planned is what the instances' plans come to.
type Planned struct {
	// File has the plans to follow, All has those of instances with errors as well.
	File plan.File
	All  []plan.Plan
	// Failed has an error for each instance that cannot be backed up now.
	Failed []error
	// failedAt are their instances, in the same order.
	failedAt []*lang.Instance
	// saved is set when the plans were read from a file.
	saved bool
}

// NotBackedUp is what to add at the end of a command that went on without some of
// the instances.
func (p *Planned) NotBackedUp() error { return problem.Join(p.Failed...) }

// looked is what came of one instance.
type looked struct {
	result planner.Result
	err    error // it could not be looked at
}

// Plan checks the chosen instances and lays out their backups. Findings are
// shown. An instance with an error among them is left out, and does not keep
// the others from their backups; if none is left, the error is ErrFound.
func (eng *Engine) Plan(ctx context.Context, targets []string, parallelism int) (*Planned, error) {
	instances, err := eng.Instances(targets)
	if err != nil {
		return nil, err
	}
	p := &Planned{File: eng.planFile()}
	all, err := eng.lookAtAll(ctx, instances, parallelism)
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
			p.All = append(p.All, all[n].result.Plan)
		}
		if cause != nil {
			p.failedAt = append(p.failedAt, i)
			p.Failed = append(p.Failed, problem.Wrapf(cause, "not backed up", problem.Remedy(cause), "%s", i.Address))
			continue
		}
		p.File.Plans = append(p.File.Plans, all[n].result.Plan)
	}
	if !eng.Offline {
		eng.CheckClock(instances)
	}
	if err := eng.found(findings); len(p.File.Plans) == 0 {
		return p, eng.none(all, err)
	}
	return p, nil
}

// planFile is a plan without steps.
func (eng *Engine) planFile() plan.File {
	return plan.File{
		Format: plan.Format, Tool: eng.Version, Folder: eng.Config.Dir, Created: time.Now().UTC(),
		Config: eng.Config.Resolved(), ConfigDigest: eng.Config.Digest(), Offline: eng.Offline,
	}
}

// none is the error when no instance can be backed up: what was printed as a
// finding is not said again.
func (eng *Engine) none(all []looked, reported error) error {
	var failed []error
	for _, l := range all {
		failed = append(failed, l.err)
	}
	if err := problem.Join(failed...); err != nil {
		return err
	}
	return reported
}

// lookAtAll looks at the instances at the same time, and returns what came of
// each, in their order. The error is that of the context alone.
func (eng *Engine) lookAtAll(ctx context.Context, instances []*lang.Instance, parallelism int) ([]looked, error) {
	known := eng.records()
	checks, abroad := semaphore.NewWeighted(checkingAtOnce), semaphore.NewWeighted(abroadAtOnce)
	all := make([]looked, len(instances))
	var checked atomic.Int64
	var g errgroup.Group
	g.SetLimit(planningAtOnce)
	for n, i := range instances {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			defer func() { eng.Front.Checked(int(checked.Add(1)), len(instances)) }()
			all[n] = eng.lookAt(ctx, i, known, checks, abroad, parallelism)
			return nil
		})
	}
	_ = g.Wait() // the errors are in all
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return all, nil
}

func (eng *Engine) lookAt(ctx context.Context, i *lang.Instance, known records, checks, abroad *semaphore.Weighted, parallelism int) looked {
	o, err := eng.open(i, event.Discard{}, parallelism)
	if err != nil {
		return looked{err: err}
	}
	defer o.close()
	r := eng.request(o, known)
	r.Checks, r.Abroad = checks, abroad
	if eng.Offline {
		result, err := planner.Offline(r)
		return looked{result, err}
	}
	result, err := planner.Plan(ctx, r)
	return looked{result, err}
}
