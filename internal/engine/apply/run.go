package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"
	"golang.org/x/sync/semaphore"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/plan"
	"bkp/internal/engine/walk"
	"bkp/internal/event"
	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/providers"
)

// Instance is what apply needs of a Bitbucket client.
type Instance interface {
	Lock(ctx context.Context) (bitbucket.Lease, error)
	LockOwner(ctx context.Context) (bitbucket.Owner, bool, error)
	LockTaken(ctx context.Context) (bitbucket.Owner, bool, error)
	Start(ctx context.Context, l bitbucket.Lease) (bitbucket.Lease, error)
	WaitDrained(ctx context.Context, l bitbucket.Lease, grace time.Duration) (since time.Time, err error)
	StillOurs(ctx context.Context, l bitbucket.Lease, grace time.Duration) error
	Complete(ctx context.Context, l bitbucket.Lease) error
	Unlock(ctx context.Context, l bitbucket.Lease) error
	Release(ctx context.Context, l bitbucket.Lease) error
}

// Guard watches this process while it holds the lock.
type Guard interface {
	// Lock locks in place of Instance.Lock, with its errors. Hold receives
	// every token that follows.
	Lock(ctx context.Context) (bitbucket.Lease, error)
	Hold(l bitbucket.Lease) error
	// Released lets it go; Abandon leaves the release to it.
	Released() error
	Abandon() error
}

var (
	// ErrMayBeLocked is wrapped by errors after which the instance may still
	// be locked.
	ErrMayBeLocked = errors.New("the instance may still be locked")
	// ErrAfterCapture is wrapped by errors of a run whose capture is good: the
	// backup is stored, or can be resumed.
	ErrAfterCapture = errors.New("captured, but a later step failed")
	// ErrLost is wrapped by errors of a run that failed after the unlock, and so
	// that nothing can go on with it.
	ErrLost = errors.New("failed after the unlock; no backup was made")
	// ErrNothing is the error of a plan that captures nothing.
	ErrNothing = errors.New("the plan captures nothing; a backup needs at least one part")
	// ErrSkew is the cause when parts that are captured without a lock are too far
	// apart.
	ErrSkew = errors.New("the captures took longer than the max_skew")
	// ErrBudget is the cause when the lock window reaches its budget.
	ErrBudget = errors.New("the lock window reached its budget")
	// ErrDrainTimeout is the cause when draining takes too long.
	ErrDrainTimeout = errors.New("draining took longer than the drain timeout")
)

// Run is one backup of one instance. Use it once.
type Run struct {
	ID       providers.BackupID
	Tool     string
	Plan     plan.Plan
	Instance Instance
	// Asked is the address of Instance, if it is not that of the plan.
	Asked string
	// Strategies and Archives by address; every address of the plan is there.
	Strategies map[string]providers.Strategy
	Archives   map[string]providers.Archiver
	Journal    *journal.Journal
	Catalog    catalog.Catalog
	Sink       event.Sink
	// Reserved are addresses that keep the id for this run, and so have
	// something to discard before any step of theirs.
	Reserved []string
	// Parallelism bounds how many steps outside the lock run at once; at
	// least 1. Captures always run all at once.
	Parallelism int
	// Slots bounds the steps outside the lock of several runs, over all; nil does
	// not.
	Slots *semaphore.Weighted
	// Counted, if not nil, is how much the live pass of a component last saw.
	Counted func(address string) (plan.Size, bool)
	// Guard starts what releases the instance should this process die while it
	// holds the lock; nil for nothing. It is called right before the lock.
	Guard func(ctx context.Context) (Guard, error)
	// Cleanup bounds discarding after a failure; a second Ctrl-C cancels it.
	// The unlock ignores it.
	Cleanup context.Context //nolint:containedctx // a second lifetime beside Do's

	guard     Guard
	alarm     sync.Once
	mu        sync.Mutex
	started   []string
	artifacts map[string]providers.Artifact
	window    Window
	skew      time.Duration
	removed   []string
	// recording is held while a strategy opens a record or closes one: several
	// archives want theirs at once.
	recording sync.Mutex
	// stuck: a step goes on, so that nothing of it may be taken away.
	stuck bool
	// untidy is what could not be cleaned up after the backup was stored.
	untidy error
	// steps are those under the lock with the time that they took, or for
	// those under way, when they began.
	steps []timing
}

// Result of a run.
type Result struct {
	Manifest providers.Manifest
	Window   Window
	// Removed are the backups that retention removed.
	Removed []string
}

// Do follows the plan. Its error wraps ErrMayBeLocked, ErrAfterCapture or ErrLost where
// these hold; otherwise nothing is locked and nothing half-made remains, or
// the error says what could not be cleaned up.
func (r *Run) Do(ctx context.Context) (Result, error) {
	r.artifacts = map[string]providers.Artifact{}
	r.started = slices.Clone(r.Reserved)
	defer func() {
		if !r.stuck {
			r.closeAll()
		}
	}()
	if err := r.Journal.Sync(journal.Record{Type: journal.RunStarted, Instance: r.Plan.Instance, URL: r.Plan.URL}); err != nil {
		return Result{}, err
	}
	if !slices.ContainsFunc(r.Plan.Nodes(), func(n plan.Node) bool { return n.Phase == plan.Capture }) {
		return Result{}, r.fail(ErrNothing)
	}
	if err := r.capture(ctx); err != nil {
		return Result{Window: r.measured()}, r.fail(err)
	}
	manifest, err := r.after(ctx)
	result := Result{Manifest: manifest, Window: r.measured(), Removed: r.removed}
	if err != nil {
		return result, err
	}
	return result, r.done()
}

// done ends the record. The backup is made, whatever becomes of the record.
// Without an end the run counts as unfinished: what it left is cleaned up later.
func (r *Run) done() error {
	record := journal.Record{Type: journal.RunDone}
	if r.untidy != nil {
		record = journal.Record{Type: journal.StepFailed, Node: "discard", Error: r.untidy.Error()}
	}
	if err := r.Journal.Sync(record); err != nil {
		return fmt.Errorf("%w: the backup is stored: %w", ErrAfterCapture, err)
	}
	return nil
}

// capture does everything up to the unlock.
func (r *Run) capture(ctx context.Context) error {
	if err := r.supersede(ctx); err != nil {
		return err
	}
	if err := walk.Nodes(ctx, r.Cleanup, r.Plan.Before, r.Parallelism, r.inSlot(r.step)); err != nil {
		return err
	}
	if r.Plan.Live != nil {
		return r.live(ctx, *r.Plan.Live)
	}
	return r.whileLocked(ctx, *r.Plan.Locked)
}

// supersede ends backups with a part that lies in a working copy alone, which
// the live pass is about to change: they must not be restored any more, nor take
// space. One that some of its archives have a copy of stays, as theirs.
func (r *Run) supersede(ctx context.Context) error {
	entries, _ := r.Catalog.List()
	for _, e := range entries {
		if !e.Manifest.Of(r.Plan.Instance, r.Plan.URL) || e.Status == catalog.Superseded {
			continue
		}
		switch staged := slices.ContainsFunc(e.Manifest.Artifacts, isStaged); {
		case e.Manifest.InPlace():
			e.Status = catalog.Superseded
		case e.Status == catalog.Captured && staged:
			e.Status = catalog.Complete
		default:
			continue
		}
		if err := r.Catalog.Put(e); err != nil {
			return err
		}
		if err := r.forget(ctx, e); err != nil {
			return fmt.Errorf("backup %s, which this run replaces, could not be cleaned up: %w", e.Manifest.ID, err)
		}
	}
	return nil
}

func isStaged(a providers.Artifact) bool { return a.Life == providers.Staged }

// forget takes a superseded backup out of the archives that only point to the
// working copy, and removes what its capture left and nothing needs.
func (r *Run) forget(ctx context.Context, e catalog.Entry) error {
	var all *multierror.Error
	m := e.Manifest
	for _, s := range m.Stored {
		if a, ok := r.Archives[s.Archive]; ok && !s.Keeps() {
			all = multierror.Append(all, walk.Guard(func() error { return a.Delete(ctx, m.ID) }))
		}
	}
	for _, a := range m.Artifacts {
		if s, ok := r.Strategies[a.Address]; ok && !e.Holds(a.Address) {
			all = multierror.Append(all, walk.Guard(func() error { return s.Discard(ctx, m.ID) }))
		}
	}
	return all.ErrorOrNil()
}

// fail discards what was started, and puts the cause first.
func (r *Run) fail(cause error) error {
	if errors.Is(cause, walk.ErrStuck) {
		// The process ends, and the step with it; the record stays open.
		r.stuck = true
		return withAftermath(cause, r.Journal.Sync(journal.Record{Type: journal.StepFailed, Node: "end", Error: cause.Error()}))
	}
	aftermath := r.discard()
	record := journal.Record{Type: journal.RunFailed, Error: cause.Error()}
	if aftermath != nil {
		// Without an end the run counts as unfinished, and the next one
		// tries again.
		record = journal.Record{Type: journal.StepFailed, Node: "discard", Error: aftermath.Error()}
	}
	if err := r.Journal.Sync(record); err != nil {
		aftermath = multierror.Append(aftermath, err)
	}
	if aftermath == nil {
		return cause
	}
	return multierror.Append(cause, aftermath)
}

// discard undoes every component that was started, also those whose step
// failed half-way.
func (r *Run) discard() error {
	var all *multierror.Error
	for _, address := range r.startedComponents() {
		err := walk.Guard(func() error { return r.discardOne(address) })
		if err != nil {
			all = multierror.Append(all, fmt.Errorf("%s could not be cleaned up: %w", address, err))
			continue
		}
		if err := r.Journal.Note(journal.Record{Type: journal.Discarded, Address: address}); err != nil {
			all = multierror.Append(all, err)
		}
	}
	return all.ErrorOrNil()
}

func (r *Run) discardOne(address string) error {
	if s, ok := r.Strategies[address]; ok {
		return s.Discard(r.Cleanup, r.ID)
	}
	if a, ok := r.Archives[address]; ok {
		return a.Discard(r.Cleanup, r.ID)
	}
	return nil
}

func (r *Run) startedComponents() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.started...)
}

// closeAll closes what strategies hold between capture and finish.
func (r *Run) closeAll() {
	for address, s := range r.Strategies {
		if err := walk.Guard(s.Close); err != nil {
			r.emit(event.Event{Kind: event.Warning, Address: address, Message: "could not be closed: " + err.Error()})
		}
	}
}

func (r *Run) emit(e event.Event) {
	e.Time, e.Backup = time.Now(), string(r.ID)
	r.Sink.Emit(e)
}
