package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/walk"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/providers"
)

// store stores m in all archives, and then prunes.
func (r *Run) store(ctx context.Context, m providers.Manifest, store, prune []plan.Node) (providers.Manifest, error) {
	m, errs := r.storeAll(ctx, m, store)
	err := joined(errs)
	if damages := damagesOf(errs); len(damages) > 0 {
		return r.reject(m, damages, err)
	}
	if err != nil {
		return m, r.keepCaptured(m, err)
	}
	if err := Whole(m); err != nil {
		return m, r.keepCaptured(m, err)
	}
	if err := r.Catalog.Put(catalog.Entry{Manifest: m, Status: catalog.Complete}); err != nil {
		return m, r.keepCaptured(m, err)
	}
	r.tidy(m)
	err = walk.Nodes(ctx, r.Cleanup, prune, 1, func(ctx context.Context, n plan.Node) error {
		return r.timed(ctx, n, func(ctx context.Context) error { return r.prune(ctx, n) })
	})
	if err != nil {
		err = fmt.Errorf("%w: the backup is stored: %w", ErrAfterCapture, err)
		return m, errors.Join(err, r.Journal.Sync(journal.Record{Type: journal.RunFailed, Error: err.Error()}))
	}
	return m, nil
}

// storeAll stores m in all archives, several at a time, and returns m with what they
// hold. Each has an outcome of its own: one that fails ends no other.
func (r *Run) storeAll(ctx context.Context, m providers.Manifest, nodes []plan.Node) (providers.Manifest, []error) {
	errs := make([]error, len(nodes))
	done := &outcomes{stored: make([]*providers.Stored, len(nodes))}
	slots := make(chan struct{}, max(r.Parallelism, 1))
	size := r.toStore(m)
	var all sync.WaitGroup
	for i, n := range nodes {
		n = n.Sized(size)
		slots <- struct{}{} // in the plan's order
		all.Go(func() {
			defer func() { <-slots }()
			errs[i] = walk.Nodes(ctx, r.Cleanup, []plan.Node{n}, 1, r.inSlot(func(ctx context.Context, n plan.Node) error {
				return r.timed(ctx, n, func(ctx context.Context) error {
					stored, err := r.storeOne(ctx, n, m)
					done.set(i, stored)
					return err
				})
			}))
		})
	}
	all.Wait()
	return inOrder(done.with(m), nodes), errs
}

// inOrder names the archives that hold m in the order of the plan, whichever of them
// was first.
func inOrder(m providers.Manifest, nodes []plan.Node) providers.Manifest {
	place := func(s providers.Stored) int {
		return slices.IndexFunc(nodes, func(n plan.Node) bool { return n.Address == s.Archive })
	}
	m.Stored = slices.SortedStableFunc(slices.Values(m.Stored), func(a, b providers.Stored) int { return cmp.Compare(place(a), place(b)) })
	return m
}

// outcomes are what archives stored, in the plan's order. A step that was left to
// itself may still set its own.
type outcomes struct {
	mu     sync.Mutex
	stored []*providers.Stored
}

func (o *outcomes) set(i int, s *providers.Stored) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stored[i] = s
}

func (o *outcomes) with(m providers.Manifest) providers.Manifest {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.stored {
		if s != nil {
			m = m.With(*s)
		}
	}
	return m
}

// storeOne stores m in one archive, which compares what it reads with what was
// recorded. It returns nil if the run that is resumed has stored it there.
func (r *Run) storeOne(ctx context.Context, n plan.Node, m providers.Manifest) (*providers.Stored, error) {
	a, ok := r.Archives[n.Address]
	if !ok {
		return nil, fmt.Errorf("the plan names %s, which is not there", n.Address)
	}
	if _, ok := m.In(n.Address); ok {
		return nil, nil //nolint:nilnil // there is nothing to do
	}
	if err := r.start(n); err != nil {
		return nil, err
	}
	records, err := r.records(ctx, m) // of its own: one is not safe for several
	defer r.closeRecords(records)
	if err != nil {
		return nil, err
	}
	if err := r.inPlace(ctx, n.Address, a); err != nil {
		return nil, err
	}
	stored, err := a.Store(ctx, m, records)
	if err != nil {
		return nil, err
	}
	return &stored, r.Journal.Note(journal.Record{Type: journal.StepDone, Node: string(n.ID), Address: n.Address})
}

// inPlace refuses to store in another place than the one in which this run reserved its
// id: a disk that was unmounted meanwhile leaves a folder that can be written to.
func (r *Run) inPlace(ctx context.Context, address string, a providers.Archiver) error {
	reserver, ok := providers.As[providers.Reserver](a)
	if !ok || !slices.Contains(r.Reserved, address) {
		return nil
	}
	reserved, err := reserver.Reserved(ctx, r.ID)
	if err != nil || reserved {
		return err
	}
	return problem.New("the archive was replaced during the run", fmt.Sprintf("%s does not have the reservation of %s that was made when the run began", a.Destination().Name, r.ID),
		"check that the right disk is mounted; then store the backup there:\n\n    bkp apply --resume "+string(r.ID)+"\n")
}

// damagesOf are the damages that archives found in trees; each may have found others.
func damagesOf(errs []error) []*providers.DamageError {
	var out []*providers.DamageError
	for _, err := range errs {
		var damage *providers.DamageError
		if errors.As(err, &damage) {
			out = append(out, damage)
		}
	}
	return out
}
