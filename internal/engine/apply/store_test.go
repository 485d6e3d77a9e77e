package apply_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// withArchive adds a second archive to the run.
func (b *bench) withArchive(s *shelf) {
	s.address = "archive.fake.b"
	b.run.Archives[s.address] = s
	first := b.run.Plan.After[len(b.run.Plan.After)-1]
	b.run.Plan.After = append(b.run.Plan.After, plan.NewNode(plan.Store, s.address, "", first.Needs...))
}

func addresses(m providers.Manifest) []string {
	var out []string
	for _, s := range m.Stored {
		out = append(out, s.Archive)
	}
	return out
}

// TestArchivesStoreAtOnce: each waits for the other to begin.
func TestArchivesStoreAtOnce(t *testing.T) {
	b := newBench(t)
	one, two := make(chan struct{}), make(chan struct{})
	meet := func(mine, others chan struct{}) func(context.Context) error {
		return func(ctx context.Context) error {
			close(mine)
			select {
			case <-others:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	b.shelf.store = meet(one, two)
	b.withArchive(&shelf{store: meet(two, one)})
	result, err := b.run.Do(t.Context())
	if err != nil || !slices.Equal(addresses(result.Manifest), []string{"archive.fake.a", "archive.fake.b"}) {
		t.Fatalf("%v, stored in %q: want the plan's order", err, addresses(result.Manifest))
	}
}

// TestParallelismBoundsArchives: with one at a time, the second does not begin
// before the first has ended.
func TestParallelismBoundsArchives(t *testing.T) {
	b := newBench(t)
	b.run.Parallelism = 1
	busy := make(chan struct{}, 1)
	alone := func(context.Context) error {
		select {
		case busy <- struct{}{}:
		default:
			return errors.New("two at once")
		}
		for range 1000 { // the other has time to begin
			runtime.Gosched()
		}
		<-busy
		return nil
	}
	b.shelf.store = alone
	b.withArchive(&shelf{store: alone})
	if _, err := b.run.Do(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAnArchiveThatFailsStopsNoOther, and is all that is left for the resume.
func TestAnArchiveThatFailsStopsNoOther(t *testing.T) {
	b := newBench(t)
	b.run.Parallelism = 1 // the second begins when the first has failed
	boom := errors.New("disk full")
	b.shelf.store = func(context.Context) error { return boom }
	second := &shelf{store: func(ctx context.Context) error { return ctx.Err() }}
	b.withArchive(second)
	result, err := b.run.Do(t.Context())
	if !errors.Is(err, apply.ErrAfterCapture) || !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	e, err := b.catalog.Get(b.run.ID)
	if err != nil || e.Status != catalog.Captured || !slices.Equal(addresses(e.Manifest), []string{"archive.fake.b"}) || len(result.Manifest.Stored) != 1 {
		t.Fatalf("catalog %+v, %v", e, err)
	}
	if len(second.stored) != 1 || b.part.did("discard") {
		t.Errorf("the second holds %d backups, calls %q", len(second.stored), b.part.calls)
	}
	b.shelf.store = nil
	second.store = func(context.Context) error { return errors.New("stored once more") }
	result, err = b.run.Resume(t.Context(), e.Manifest)
	if err != nil || !slices.Equal(addresses(result.Manifest), []string{"archive.fake.a", "archive.fake.b"}) {
		t.Fatalf("resume: %v, %+v", err, result.Manifest.Stored)
	}
	if e, _ = b.catalog.Get(b.run.ID); e.Status != catalog.Complete {
		t.Errorf("it is %s", e.Status)
	}
}

// TestEachArchiveHasARecordOfItsOwn: one is not safe for two that read at once.
func TestEachArchiveHasARecordOfItsOwn(t *testing.T) {
	b := newBench(t)
	r := b.recording()
	most := 0
	see := func(context.Context) error { most = max(most, r.open); return nil }
	b.run.Parallelism = 1
	b.shelf.store = see
	b.withArchive(&shelf{store: see})
	if _, err := b.run.Do(t.Context()); err != nil || most != 1 || r.open != 0 || r.opened != 2 {
		t.Errorf("%v, %d open at once, %d opened, %d left open", err, most, r.opened, r.open)
	}
}
