package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/records/journal"
	"bkp/providers"
)

// step carries out one node that belongs to a component.
func (r *Run) step(ctx context.Context, n plan.Node) error {
	return r.timed(ctx, n, func(ctx context.Context) error {
		if err := r.start(n); err != nil {
			return err
		}
		artifact, err := r.dispatch(ctx, n)
		if err != nil {
			return err
		}
		return r.Journal.Note(journal.Record{Type: journal.StepDone, Node: string(n.ID), Address: n.Address, Artifact: artifact})
	})
}

// inSlot is do that waits for a slot of Slots first.
func (r *Run) inSlot(do func(context.Context, plan.Node) error) func(context.Context, plan.Node) error {
	if r.Slots == nil {
		return do
	}
	return func(ctx context.Context, n plan.Node) error {
		if err := r.Slots.Acquire(ctx, 1); err != nil {
			return context.Cause(ctx)
		}
		defer r.Slots.Release(1)
		return do(ctx, n)
	}
}

// start records that the component is about to leave traces.
func (r *Run) start(n plan.Node) error {
	r.mu.Lock()
	if !slices.Contains(r.started, n.Address) {
		r.started = append(r.started, n.Address)
	}
	r.mu.Unlock()
	return r.Journal.Note(journal.Record{Type: journal.StepStarted, Node: string(n.ID), Address: n.Address})
}

func (r *Run) dispatch(ctx context.Context, n plan.Node) (*providers.Artifact, error) {
	s, ok := r.Strategies[n.Address]
	if !ok {
		return nil, fmt.Errorf("the plan names %s, which is not there", n.Address)
	}
	switch n.Phase {
	case plan.Prepare:
		s.Expect(r.Plan.Facts[n.Address])
		return nil, s.Prepare(ctx, r.ID)
	case plan.Capture:
		begun := time.Now()
		a, err := s.Capture(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		a.Live = r.Plan.Live != nil
		r.captured(n.Address, a, time.Since(begun))
		return &a, nil
	case plan.Finish:
		a, err := s.Finish(ctx, r.artifact(n.Address))
		if err != nil {
			return nil, err
		}
		r.keep(n.Address, a)
		return &a, nil
	default:
		return nil, fmt.Errorf("the plan has a step %q, which this version does not know", n.Phase)
	}
}

func (r *Run) captured(address string, a providers.Artifact, took time.Duration) {
	r.keep(address, a)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.window.Captures == nil {
		r.window.Captures = map[string]time.Duration{}
	}
	r.window.Captures[address] = took
}

// drained notes how long the drain took. Its step may have been left to itself.
func (r *Run) drained(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.window.Drain = took
}

// measured is a copy of what is known of the window: a step that was left to
// itself may still end and report more.
func (r *Run) measured() Window {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.window
	w.Captures = maps.Clone(w.Captures)
	return w
}

func (r *Run) keep(address string, a providers.Artifact) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.artifacts[address] = a
}

func (r *Run) artifact(address string) providers.Artifact {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.artifacts[address]
}
