package apply_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// recorder is a part with a record.
type recorder struct {
	*part
	open       int
	opened     int
	distrusted []string
	err        error
	// when Distrust is called
	when func()
}

func (r *recorder) Record(context.Context, providers.Artifact) (providers.Record, error) {
	if r.err != nil {
		return nil, r.err
	}
	r.open++
	r.opened++
	return opened{r}, nil
}

// opened is a record that its strategy counts.
type opened struct{ of *recorder }

func (opened) Folder(string) ([]providers.Recorded, bool, error) { return nil, false, nil }

func (opened) Intact(context.Context) error { return nil }

func (o opened) Close() error { o.of.open--; return nil }

func (r *recorder) Distrust(_ context.Context, _ providers.Artifact, folders []string) error {
	if r.when != nil {
		r.when()
	}
	r.distrusted = append(r.distrusted, folders...)
	return nil
}

// recording makes the bench's strategy one with a record.
func (b *bench) recording() *recorder {
	r := &recorder{part: b.part}
	b.part.tree = "/copy"
	b.run.Strategies["home.fake.a"] = r
	return r
}

var errDamage = &providers.DamageError{Address: "home.fake.a", Tree: "/copy", Count: 1, Found: []string{`"home/x" has other content`}, Folders: []string{"home"}}

func damage(context.Context) error { return errDamage }

// rejected asserts what holds after a store that met damage.
func (b *bench) rejected(t *testing.T, r *recorder, result apply.Result, err error) {
	t.Helper()
	if !errors.Is(err, apply.ErrLost) || !strings.Contains(err.Error(), "home/x") || !strings.Contains(problem.Remedy(err), "copies these files again") {
		t.Errorf("got %v\n%s", err, problem.Remedy(err))
	}
	if result.Manifest.ID != "" {
		t.Errorf("there is a backup: %+v", result.Manifest)
	}
	if _, err := b.catalog.Get(b.run.ID); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("the backup may be resumed: %v", err)
	}
	if !slices.Equal(r.distrusted, []string{"home"}) || !b.part.did("discard") || r.open != 0 {
		t.Errorf("distrusted %q, %d records open, calls %q", r.distrusted, r.open, b.part.calls)
	}
	b.clean(t)
}

func TestADamagedTreeEndsTheBackup(t *testing.T) {
	b := newBench(t)
	r := b.recording()
	b.shelf.store = damage
	r.when = func() {
		if _, err := b.catalog.Get(b.run.ID); err == nil {
			t.Error("distrusted while the backup may still be resumed, which would compare nothing")
		}
	}
	result, err := b.run.Do(t.Context())
	b.rejected(t, r, result, err)
	if b.shelf.records["home.fake.a"] == nil {
		t.Error("the archive was given no record")
	}
}

// TestAnOverflowEndsTheBackupWithItsOwnRemedy: it is no matter of disks and copies.
func TestAnOverflowEndsTheBackupWithItsOwnRemedy(t *testing.T) {
	b := newBench(t)
	b.recording()
	overflow := problem.New("snapshot overflowed", "vg/snap", "give it more space")
	b.shelf.store = func(context.Context) error { return &providers.DamageError{Address: "home.fake.a", Cause: overflow} }
	_, err := b.run.Do(t.Context())
	if !errors.Is(err, apply.ErrLost) || problem.Remedy(err) != overflow.Remedy {
		t.Errorf("got %v\n%s", err, problem.Remedy(err))
	}
	if _, err := b.catalog.Get(b.run.ID); !errors.Is(err, providers.ErrNotFound) || !b.part.did("discard") {
		t.Errorf("the backup may be resumed: %v; calls %q", err, b.part.calls)
	}
	b.clean(t)
}

func TestADamagedTreeEndsABackupThatIsResumed(t *testing.T) {
	b := newBench(t)
	r := b.recording()
	b.shelf.store = func(context.Context) error { return errors.New("disk full") }
	if _, err := b.run.Do(t.Context()); !errors.Is(err, apply.ErrAfterCapture) {
		t.Fatalf("got %v", err)
	}
	e, err := b.catalog.Get(b.run.ID)
	if err != nil || r.distrusted != nil {
		t.Fatalf("%v, distrusted %q", err, r.distrusted)
	}
	b.shelf.store, b.shelf.records = damage, nil
	result, err := b.run.Resume(t.Context(), e.Manifest)
	b.rejected(t, r, result, err)
	if b.shelf.records["home.fake.a"] == nil {
		t.Error("the archive was given no record")
	}
}

// What the first archive has stored is good, and stays.
func TestDamageBetweenTwoArchives(t *testing.T) {
	b := newBench(t)
	r := b.recording()
	second := &shelf{address: "archive.fake.b", store: damage}
	b.run.Archives["archive.fake.b"] = second
	first := b.run.Plan.After[len(b.run.Plan.After)-1]
	b.run.Plan.After = append(b.run.Plan.After, plan.NewNode(plan.Store, "archive.fake.b", "", first.ID))
	result, err := b.run.Do(t.Context())
	if !errors.Is(err, apply.ErrAfterCapture) || len(result.Manifest.Stored) != 1 {
		t.Fatalf("got %v, %+v", err, result.Manifest)
	}
	e, err := b.catalog.Get(b.run.ID)
	if err != nil || e.Status != catalog.Complete || e.Error == "" || len(e.Manifest.Stored) != 1 {
		t.Errorf("catalog %+v, %v", e, err)
	}
	if len(b.shelf.stored) != 1 || !slices.Equal(r.distrusted, []string{"home"}) || r.open != 0 {
		t.Errorf("stored %v, distrusted %q, %d records open", b.shelf.stored, r.distrusted, r.open)
	}
	b.clean(t)
}

// A tree without a record is stored all the same.
func TestAMissingRecordIsNoFailure(t *testing.T) {
	b := newBench(t)
	r := b.recording()
	r.err = providers.ErrNotFound
	if _, err := b.run.Do(t.Context()); err != nil || len(b.shelf.records) > 0 {
		t.Errorf("%v, %v", err, b.shelf.records)
	}
}
