package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/go-multierror"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/walk"
	"bkp/internal/event"
	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/providers"
)

// after finishes, stores and prunes. The capture is good, so a failure does
// not undo it: once everything is finished, the backup can be stored later.
func (r *Run) after(ctx context.Context) (providers.Manifest, error) {
	finish, store, prune := byPhase(r.Plan.After)
	m, err := r.finish(ctx, finish)
	if err != nil {
		return m, err
	}
	return r.store(ctx, m, store, prune)
}

// Resume goes on with a backup that was captured by an earlier run: what is
// pending is finished, and all is stored. Its trees must be as they were. Of the
// plan, the steps before these are left out.
func (r *Run) Resume(ctx context.Context, m providers.Manifest) (Result, error) {
	finish, store, prune := byPhase(r.Plan.After)
	r.artifacts = map[string]providers.Artifact{}
	for _, a := range m.Artifacts {
		r.artifacts[a.Address] = a
	}
	// From here on there is something to clean up again.
	err := r.Journal.Sync(journal.Record{Type: journal.RunStarted, Instance: r.Plan.Instance, URL: r.Plan.URL})
	if err != nil {
		return Result{Manifest: m}, err
	}
	if m, err = r.goOn(ctx, m, finish); err == nil {
		m, err = r.store(ctx, m, store, prune)
	}
	result := Result{Manifest: m, Removed: r.removed}
	result.Window.Total = m.LockWindow
	if err != nil {
		return result, err
	}
	return result, r.done()
}

// Whole refuses to call a backup complete if one of its parts is kept nowhere.
func Whole(m providers.Manifest) error {
	for _, a := range m.Artifacts {
		switch a.Life {
		case providers.Staged:
			if !slices.ContainsFunc(m.Stored, func(s providers.Stored) bool { _, ok := s.Copy(a.Address); return ok || !s.Keeps() }) {
				return fmt.Errorf("%s is kept by no archive", a.Address)
			}
		case providers.Native:
			if !slices.ContainsFunc(m.Stored, func(s providers.Stored) bool { _, ok := s.Parts[a.Address]; return ok && s.Native }) {
				return fmt.Errorf("%s stays in its storage, and no archive of the plan keeps it there", a.Address)
			}
		case providers.External:
		case providers.Contained:
			if _, ok := m.Artifact(a.In); !ok {
				return fmt.Errorf("%s lies in %q, which the backup does not hold", a.Address, a.In)
			}
		case providers.Transient, providers.Pending:
			return fmt.Errorf("%s is not finished: it is %s", a.Address, a.Life)
		default:
			return fmt.Errorf("%s has the life %q, which this version does not know", a.Address, a.Life)
		}
	}
	return nil
}

// keepCaptured puts a backup that could not be stored on the list, for
// resuming, and removes the half-made archives.
func (r *Run) keepCaptured(m providers.Manifest, cause error) error {
	var all *multierror.Error
	all = multierror.Append(all, fmt.Errorf("%w: %w", ErrAfterCapture, cause))
	for address, a := range r.Archives {
		if err := walk.Guard(func() error { return a.Discard(r.Cleanup, r.ID) }); err != nil {
			all = multierror.Append(all, fmt.Errorf("%s could not be cleaned up: %w", address, err))
		}
	}
	if err := r.Catalog.Put(catalog.Entry{Manifest: m, Status: catalog.Captured, Error: cause.Error()}); err != nil {
		all = multierror.Append(all, err)
	}
	if err := r.Journal.Sync(journal.Record{Type: journal.RunFailed, Error: cause.Error()}); err != nil {
		all = multierror.Append(all, err)
	}
	if len(all.Errors) == 1 {
		return all.Errors[0]
	}
	return all
}

// tidy removes what capturing left of each part that an archive has a copy of.
// A database's dump is large, and the archive has it now.
func (r *Run) tidy(m providers.Manifest) {
	for address, s := range r.Strategies {
		a, _ := m.Artifact(address)
		switch {
		case !m.Held(address):
			r.tidyOne(address, s.Discard)
		case a.Life == providers.Native: // a mount whose snapshot stays
			r.tidyOne(address, func(ctx context.Context, _ providers.BackupID) error { return s.Sweep(ctx) })
		}
	}
	for address, a := range r.Archives { // what storing left, not what was stored
		r.tidyOne(address, a.Discard)
	}
}

func (r *Run) tidyOne(address string, discard func(context.Context, providers.BackupID) error) {
	if err := walk.Guard(func() error { return discard(r.Cleanup, r.ID) }); err != nil {
		r.untidy = errors.Join(r.untidy, fmt.Errorf("%s could not be cleaned up: %w", address, err))
		r.emit(event.Event{Kind: event.Warning, Address: address, Message: "could not be cleaned up, which the next run tries again: " + err.Error()})
	}
}

func byPhase(nodes []plan.Node) (finish, store, prune []plan.Node) {
	for _, n := range nodes {
		switch n.Phase {
		case plan.Store:
			store = append(store, n)
		case plan.Prune:
			prune = append(prune, n)
		default:
			finish = append(finish, n)
		}
	}
	return finish, store, prune
}

// manifest describes what was captured, in the plan's order.
func (r *Run) manifest() providers.Manifest {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := providers.Manifest{
		Format: providers.ManifestFormat, ID: r.ID, Instance: r.Plan.Instance, URL: r.Plan.URL, Tool: r.Tool,
		Created: r.ID.Time(), BitbucketVersion: r.Plan.Version, LockWindow: r.window.Total, Window: r.window.Parts(), Skew: r.skew,
	}
	for _, n := range r.Plan.Nodes() {
		if n.Phase == plan.Capture {
			m.Artifacts = append(m.Artifacts, r.artifacts[n.Address])
		}
	}
	m.NodeSkew = m.NodesApart()
	return m
}
