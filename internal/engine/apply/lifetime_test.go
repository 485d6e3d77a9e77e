package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
	"bkp/internal/event"
	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/providers"
)

// parts are what an archive has a copy of.
var parts = map[string]providers.Part{"home.fake.a": {Files: 1}}

const old = providers.BackupID("prod-20261121T214431Z")

// TestUsersDoNotWaitForAStepThatIsSlowToEnd runs in simulated time, so that the
// budget ends in the capture on whatever machine.
func TestUsersDoNotWaitForAStepThatIsSlowToEnd(t *testing.T) {
	synctest.Test(t, usersDoNotWait)
}

func usersDoNotWait(t *testing.T) {
	b := inMemory(t)
	b.locked.Budget = plan.Duration(200 * time.Millisecond)
	open := false
	b.part.capture = func(ctx context.Context) error {
		<-ctx.Done()
		for begun := time.Now(); !open && time.Since(begun) < 5*time.Second; time.Sleep(time.Millisecond) {
			open = b.server.State().Idle()
		}
		return ctx.Err()
	}
	_, err := b.run.Do(t.Context())
	if !errors.Is(err, apply.ErrBudget) || errors.Is(err, apply.ErrMayBeLocked) {
		t.Errorf("got %v", err)
	}
	if !regexp.MustCompile(`until then: start .* took .*, drain .* took .*, capture .* had taken \d+ms and was not done`).MatchString(err.Error()) {
		t.Errorf("it does not report what was slow: %v", err)
	}
	if !open {
		t.Error("still locked while the capture came to its end")
	}
	b.clean(t)
}

// fragile is a view that breaks.
type fragile struct{ at event.Kind }

func (f fragile) Emit(e event.Event) {
	if e.Kind == f.at {
		panic("the view broke")
	}
}

func TestAViewThatBreaksUnderTheLockLeavesNothingLocked(t *testing.T) {
	b := newBench(t)
	b.run.Sink = fragile{event.Locked}
	if _, err := b.run.Do(t.Context()); err == nil {
		t.Error("no error")
	}
	b.clean(t)
}

// tardy is an instance whose reply to the lock is late.
type tardy struct{ *bitbucket.Client }

func (tardy) Lock(context.Context) (bitbucket.Lease, error) {
	return bitbucket.Lease{}, fmt.Errorf("%w: %w", bitbucket.ErrUnknown, bitbucket.ErrUnderWay)
}

func TestALockThatMayComeLaterIsRemembered(t *testing.T) {
	b := newBench(t)
	client, ok := b.run.Instance.(*bitbucket.Client)
	if !ok {
		t.Fatal("no client")
	}
	b.run.Instance = tardy{client}
	if _, err := b.run.Do(t.Context()); !errors.Is(err, apply.ErrMayBeLocked) {
		t.Errorf("got %v", err)
	}
	if r, err := journal.Load(b.state+"/journal", b.run.ID); err != nil || !r.MayBeLocked {
		t.Errorf("the journal forgot: %+v, %v", r, err)
	}
}

func TestABackupInTheWorkingCopyEndsWithTheNextRun(t *testing.T) {
	b := newBench(t)
	m := providers.Manifest{
		Format: providers.ManifestFormat, ID: old, Instance: "prod",
		Artifacts: []providers.Artifact{{Address: "home.fake.a", Life: providers.Staged}}, Stored: []providers.Stored{{Archive: "archive.fake.a"}},
	}
	b.shelf.stored = []providers.Manifest{m}
	if err := b.catalog.Put(catalog.Entry{Manifest: m, Status: catalog.Complete}); err != nil {
		t.Fatal(err)
	}
	b.part.prepare = func(context.Context) error { return errors.New("boom") }
	if _, err := b.run.Do(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if e, err := b.catalog.Get(old); err != nil || e.Status != catalog.Superseded {
		t.Errorf("catalog %+v, %v", e, err)
	}
	if len(b.shelf.stored) > 0 {
		t.Error("the archive still offers what the live pass has changed")
	}
	if b.part.discarded != 2 {
		t.Errorf("discarded %d times, want once for each backup", b.part.discarded)
	}
}

// TestPruningOneArchiveKeepsWhatAnotherHolds: the second archive was added
// later and holds fewer, so there the old backup is one of the last.
func TestPruningOneArchiveKeepsWhatAnotherHolds(t *testing.T) {
	b := newBench(t)
	other := &shelf{}
	b.run.Archives["archive.fake.b"] = other
	m := providers.Manifest{
		Format: providers.ManifestFormat, ID: old, Instance: "prod",
		Stored: []providers.Stored{{Archive: "archive.fake.a", Parts: parts}, {Archive: "archive.fake.b", Parts: parts}},
	}
	b.shelf.stored, other.stored = []providers.Manifest{m}, []providers.Manifest{m}
	if err := b.catalog.Put(catalog.Entry{Manifest: m, Status: catalog.Complete}); err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal(plan.PruneArgs{Policy: json.RawMessage(`{"keep_last":1}`), Remove: []string{string(old)}})
	if err != nil {
		t.Fatal(err)
	}
	prune := plan.NewNode(plan.Prune, "archive.fake.a", "")
	prune.Args = args
	b.run.Plan.After = append(b.run.Plan.After, prune)
	if _, err := b.run.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(b.shelf.stored) != 1 || len(other.stored) != 1 {
		t.Errorf("the first holds %d, the second %d", len(b.shelf.stored), len(other.stored))
	}
	e, err := b.catalog.Get(old)
	if err != nil || len(e.Manifest.Stored) != 1 || e.Manifest.Stored[0].Archive != "archive.fake.b" {
		t.Errorf("catalog %+v, %v", e.Manifest.Stored, err)
	}
}

// TestASmallBackupPushesNoneOut: the plan would remove the old one, for it did
// not know how little there would be.
func TestASmallBackupPushesNoneOut(t *testing.T) {
	for _, c := range []struct{ minSize, left int }{{10, 2}, {0, 1}} {
		b := newBench(t)
		many, none := 20, 0
		b.part.repositories = &none
		b.shelf.stored = []providers.Manifest{{
			Format: providers.ManifestFormat, ID: old, Instance: "prod",
			Artifacts: []providers.Artifact{{Address: "home.fake.a", Repositories: &many}}, Stored: []providers.Stored{{Archive: "archive.fake.a", Parts: parts}},
		}}
		args, err := json.Marshal(plan.PruneArgs{Policy: json.RawMessage(fmt.Sprintf(`{"keep_last":1,"min_size":%d}`, c.minSize)), Remove: []string{string(old)}})
		if err != nil {
			t.Fatal(err)
		}
		prune := plan.NewNode(plan.Prune, "archive.fake.a", "")
		prune.Args = args
		b.run.Plan.After = append(b.run.Plan.After, prune)
		if _, err := b.run.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(b.shelf.stored) != c.left {
			t.Errorf("min_size %d: %d backups are left, want %d", c.minSize, len(b.shelf.stored), c.left)
		}
	}
}

// TestPrepareReceivesWhatThePlanSaw, which may be hours old.
func TestPrepareReceivesWhatThePlanSaw(t *testing.T) {
	b := newBench(t)
	b.run.Plan.Facts = map[string]map[string]string{"home.fake.a": {"volume.home": "ext4 1"}}
	b.part.prepare = func(context.Context) error {
		if !b.part.did("expect") || b.part.expected["volume.home"] != "ext4 1" {
			t.Errorf("it received %v", b.part.expected)
		}
		return nil
	}
	if _, err := b.run.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsStaleIsFoundBeforeAnybodyWaits: warming comes after every prepare
// and before the lock, and its failure locks nobody out.
func TestWhatIsStaleIsFoundBeforeAnybodyWaits(t *testing.T) {
	b := newBench(t)
	stale := errors.New("the connection is gone")
	b.part.warm = func(context.Context) error {
		if !b.part.did("prepare") || !b.server.State().Idle() {
			t.Error("warmed too early or too late")
		}
		return stale
	}
	if _, err := b.run.Do(t.Context()); !errors.Is(err, stale) || errors.Is(err, apply.ErrMayBeLocked) {
		t.Errorf("got %v", err)
	}
	if b.part.did("capture") {
		t.Error("captured all the same")
	}
	if locks := b.server.Locks(); len(locks) > 0 {
		t.Errorf("it was locked: %+v", locks)
	}
	b.clean(t)
}
