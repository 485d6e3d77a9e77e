package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
	"bkp/internal/engine/walk"
	"bkp/internal/event"
	"bkp/internal/problem"
)

// BackUp carries out the plans of p, those of several instances side by side, and
// returns how many backups were made; two of one URL follow each other. At most parallelism instances are backed up at
// once, and at most as many steps run outside of locks, over all of them; what is
// under a lock waits for nobody. What goes wrong with one instance, at plan time or in
// its run, does not keep the others from their backups: it is in the error. The caller
// holds the run lock.
func (eng *Engine) BackUp(ctx context.Context, p *Planned, parallelism int) (made int, err error) {
	plans := p.File.Plans
	view, done := eng.Front.Sink(len(plans) > 1)
	defer done()
	f := fleet{eng: eng, planned: p, view: view, parallelism: parallelism, slots: semaphore.NewWeighted(int64(parallelism))}
	errs := make([]error, len(plans))
	var all errgroup.Group
	all.SetLimit(parallelism)
	for _, group := range byURL(plans) {
		all.Go(func() error {
			for _, i := range group {
				errs[i] = walk.Guard(func() error { return f.backUp(ctx, plans[i]) })
			}
			return nil // one that fails ends no other
		})
	}
	_ = all.Wait()
	for i, err := range errs {
		switch {
		case err == nil:
			made++
		case len(plans)+len(p.Failed) > 1:
			errs[i] = fmt.Errorf("%s: %w", plans[i].Address, err)
		}
	}
	return made, problem.Join(problem.Join(errs...), p.NotBackedUp())
}

// byURL are the numbers of plans by the Bitbucket that they lock, in the order of
// the plans: two of one would be refused the lock by each other.
func byURL(plans []plan.Plan) [][]int {
	var out [][]int
	groups := map[string]int{}
	for i, pl := range plans {
		n, known := groups[pl.URL]
		if !known {
			n, out = len(out), append(out, nil)
			groups[pl.URL] = n
		}
		out[n] = append(out[n], i)
	}
	return out
}

// fleet is what the runs of several instances share.
type fleet struct {
	eng         *Engine
	planned     *Planned
	view        event.Sink
	parallelism int
	slots       *semaphore.Weighted
	// remembering is held while the record of applied plans is written.
	remembering sync.Mutex
}

// backUp makes the backup of one instance.
func (f *fleet) backUp(ctx context.Context, pl plan.Plan) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	inst, _ := f.eng.Config.Instance(pl.Instance)
	begun, err := f.eng.newRun(ctx, inst)
	if err != nil {
		return err
	}
	defer func() { _ = begun.journal.Close() }()
	run, done, err := f.eng.newApply(inst.Name, begun.id, pl, begun.journal, f.view, f.parallelism)
	if err != nil {
		return err // the next run ends the record, and gives the id back
	}
	defer done()
	run.Reserved, run.Slots = begun.reserved, f.slots
	result, err := run.Do(ctx)
	if f.planned.saved && result.Manifest.ID != "" {
		f.remember(run.Sink, pl, result)
	}
	return f.eng.ended(ctx, run, result, err)
}

// remember records that the saved plan made a backup.
func (f *fleet) remember(sink event.Sink, pl plan.Plan, result apply.Result) {
	f.remembering.Lock()
	defer f.remembering.Unlock()
	if err := f.eng.remember(f.planned.File, pl, result.Manifest.ID); err != nil {
		sink.Emit(event.Event{Time: time.Now(), Kind: event.Warning, Backup: string(result.Manifest.ID), Message: err.Error()})
	}
}
