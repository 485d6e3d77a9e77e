package apply

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/go-multierror"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/walk"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// finish finishes what was captured, and puts the backup on the list as soon as
// another process could go on with it: when all that is left is pending. An
// error wraps ErrAfterCapture, or ErrLost when the backup is lost.
func (r *Run) finish(ctx context.Context, nodes []plan.Node) (providers.Manifest, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pending, others := r.split(nodes)
	if len(others) == 0 {
		m, err := r.list()
		if err != nil {
			return m, r.lost(err)
		}
		return r.finished(m, len(pending) > 0, r.finishPending(ctx, pending)())
	}
	wait := r.finishPending(ctx, pending)
	if err := walk.Nodes(ctx, r.Cleanup, others, r.Parallelism, r.inSlot(r.step)); err != nil {
		cancel(err)
		_ = wait() // what it was waiting for is discarded
		return providers.Manifest{}, r.lost(err)
	}
	m, err := r.list()
	if err != nil {
		cancel(err)
		_ = wait() // what it was waiting for is discarded
		return m, r.lost(err)
	}
	return r.finished(m, len(pending) > 0, wait())
}

// lost discards what was captured: another process could not finish it, such as a
// database's snapshot that ends with this one.
func (r *Run) lost(err error) error {
	return r.fail(fmt.Errorf("%w: %w", ErrLost, err))
}

// list puts the backup on the list as captured.
func (r *Run) list() (providers.Manifest, error) {
	m := r.manifest()
	if err := r.Catalog.Put(catalog.Entry{Manifest: m, Status: catalog.Captured}); err != nil {
		return providers.Manifest{}, err
	}
	return m, nil
}

// goOn finishes what an earlier run left pending in m, and makes trees readable
// again that ended with it.
func (r *Run) goOn(ctx context.Context, m providers.Manifest, nodes []plan.Node) (providers.Manifest, error) {
	return r.finished(m, len(nodes) > 0, r.finishPending(ctx, nodes)())
}

// finished is the manifest with what was pending, which is on the list already.
func (r *Run) finished(m providers.Manifest, pending bool, err error) (providers.Manifest, error) {
	if !pending {
		return m, err
	}
	for i := range m.Artifacts {
		m.Artifacts[i] = r.artifact(m.Artifacts[i].Address)
	}
	if err != nil {
		return m, r.keepCaptured(m, err)
	}
	if err := r.Catalog.Put(catalog.Entry{Manifest: m, Status: catalog.Captured}); err != nil {
		return m, r.keepCaptured(m, err)
	}
	return m, nil
}

// split parts the nodes whose artifact another process could finish from those
// that only this one can.
func (r *Run) split(nodes []plan.Node) (pending, others []plan.Node) {
	for _, n := range nodes {
		if r.artifact(n.Address).Life == providers.Pending {
			pending = append(pending, n)
		} else {
			others = append(others, n)
		}
	}
	return pending, others
}

// finishPending begins to finish the nodes, each by itself: one that fails ends
// no other, for what they wait for goes on anyway. The caller MUST call the
// result, which waits for all and returns their errors.
func (r *Run) finishPending(ctx context.Context, nodes []plan.Node) (wait func() error) {
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() { errs[i] = walk.Nodes(ctx, r.Cleanup, []plan.Node{n}, 1, r.step) })
	}
	return func() error {
		all.Wait()
		return joined(errs)
	}
}

// joined is one error of several, nil if all are.
func joined(errs []error) error {
	var all *multierror.Error
	for _, err := range errs {
		if err != nil {
			all = multierror.Append(all, err)
		}
	}
	if all != nil && len(all.Errors) == 1 {
		return all.Errors[0]
	}
	return all.ErrorOrNil()
}
