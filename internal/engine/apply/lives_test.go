package apply_test

import (
	"context"
	"errors"
	"testing"

	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// with adds a second part to the run.
func (b *bench) with(p *part) {
	p.address = "database.fake.b"
	drain := b.locked.Nodes[1].ID
	capture := plan.NewNode(plan.Capture, p.address, "", drain)
	finish := plan.NewNode(plan.Finish, p.address, "", capture.ID)
	b.locked.Nodes = append(b.locked.Nodes, capture)
	b.run.Plan.After = append([]plan.Node{finish}, b.run.Plan.After...)
	last := &b.run.Plan.After[len(b.run.Plan.After)-1]
	last.Needs = append(last.Needs, finish.ID)
	b.run.Strategies[p.address] = p
}

var errWait = errors.New("the snapshot is not ready")

func TestWhatIsPendingIsKeptWhenFinishingFails(t *testing.T) {
	b := newBench(t)
	b.part.life, b.part.finished = providers.Pending, providers.Native
	b.part.finish = func(context.Context) error { return errWait }
	_, err := b.run.Do(t.Context())
	if !errors.Is(err, apply.ErrAfterCapture) || !errors.Is(err, errWait) {
		t.Fatalf("got %v", err)
	}
	b.clean(t)
	if b.part.did("discard") {
		t.Error("what outlives the process was discarded")
	}
	e, err := b.catalog.Get(b.run.ID)
	if err != nil || e.Status != catalog.Captured || e.Manifest.Artifacts[0].Life != providers.Pending {
		t.Fatalf("catalog %+v, %v", e, err)
	}
	b.part.finish = nil
	finish := plan.NewNode(plan.Finish, "home.fake.a", "")
	b.run.Plan = plan.Plan{Instance: "prod", Before: b.run.Plan.Before, After: []plan.Node{finish, plan.NewNode(plan.Store, "archive.fake.a", "", finish.ID)}}
	result, err := b.run.Resume(t.Context(), e.Manifest)
	if err != nil || result.Manifest.Artifacts[0].Life != providers.Native || len(result.Manifest.Stored) != 1 {
		t.Fatalf("resume: %+v, %v", result, err)
	}
	if b.part.did("discard") {
		t.Error("the native snapshot was discarded by the run that made it")
	}
	if e, _ = b.catalog.Get(b.run.ID); e.Status != catalog.Complete || e.Manifest.Artifacts[0].Life != providers.Native {
		t.Errorf("catalog %+v", e)
	}
}

// TestASnapshotThatNoArchiveKeepsIsNoBackup: nothing would list it, and retention
// would never remove it.
func TestASnapshotThatNoArchiveKeepsIsNoBackup(t *testing.T) {
	b := newBench(t)
	b.part.life, b.shelf.treesOnly = providers.Native, true
	if _, err := b.run.Do(t.Context()); !errors.Is(err, apply.ErrAfterCapture) {
		t.Errorf("got %v", err)
	}
	if e, err := b.catalog.Get(b.run.ID); err != nil || e.Status != catalog.Captured {
		t.Errorf("catalog %+v, %v", e, err)
	}
	b.clean(t)
}

func TestWhatIsPendingIsOnTheListBeforeItIsFinished(t *testing.T) {
	b := newBench(t)
	b.part.life, b.part.finished = providers.Pending, providers.Native
	dumped := make(chan struct{})
	b.with(&part{life: providers.Transient, finished: providers.Staged, finish: func(context.Context) error { close(dumped); return nil }})
	var seen catalog.Entry
	b.part.finish = func(ctx context.Context) (err error) {
		<-dumped
		for seen, err = b.catalog.Get(b.run.ID); err != nil && ctx.Err() == nil; {
			seen, err = b.catalog.Get(b.run.ID)
		}
		return err
	}
	if _, err := b.run.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen.Status != catalog.Captured || len(seen.Manifest.Artifacts) != 2 {
		t.Errorf("while it was waited for, the catalog had %+v", seen)
	}
}

func TestPendingThatFailsEndsNoDump(t *testing.T) {
	b := newBench(t)
	b.part.life = providers.Pending
	failed := make(chan struct{})
	b.part.finish = func(context.Context) error { close(failed); return errWait }
	dump := &part{life: providers.Transient, finished: providers.Staged}
	dump.finish = func(ctx context.Context) error { <-failed; return ctx.Err() }
	b.with(dump)
	if _, err := b.run.Do(t.Context()); !errors.Is(err, errWait) {
		t.Fatalf("got %v", err)
	}
	e, err := b.catalog.Get(b.run.ID)
	if err != nil || e.Status != catalog.Captured || e.Manifest.Artifacts[1].Life != providers.Staged || dump.did("discard") {
		t.Errorf("catalog %+v, %v", e, err)
	}
}

func TestALostDumpDiscardsWhatIsPendingBesideIt(t *testing.T) {
	b := newBench(t)
	b.part.life = providers.Pending
	b.part.finish = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	boom := errors.New("boom")
	dump := &part{life: providers.Transient, finish: func(context.Context) error { return boom }}
	b.with(dump)
	if _, err := b.run.Do(t.Context()); !errors.Is(err, boom) || !errors.Is(err, apply.ErrLost) {
		t.Fatalf("got %v", err)
	}
	b.clean(t)
	if !b.part.did("discard") || !dump.did("discard") {
		t.Error("the parts of a lost backup were left")
	}
	if list, _ := b.catalog.List(); len(list) > 0 {
		t.Errorf("the catalog lists %+v", list)
	}
}

// TestWhatBecomesOfAnEarlierBackup: only what lies in a working copy is taken by
// the next run.
func TestWhatBecomesOfAnEarlierBackup(t *testing.T) {
	const earlier = providers.BackupID("prod-20261121T214431Z")
	cases := map[string]struct {
		life      providers.Life
		sum       string
		status    catalog.Status
		want      catalog.Status
		discarded bool
	}{
		"staged, in no archive":         {providers.Staged, "", catalog.Complete, catalog.Superseded, true},
		"staged, not stored":            {providers.Staged, "", catalog.Captured, catalog.Superseded, true},
		"staged, in an archive":         {providers.Staged, "00", catalog.Complete, catalog.Complete, false},
		"staged, in one archive of two": {providers.Staged, "00", catalog.Captured, catalog.Complete, true},
		"native":                        {providers.Native, "", catalog.Complete, catalog.Complete, false},
		"pending":                       {providers.Pending, "", catalog.Captured, catalog.Captured, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.part.life, b.part.finished = c.life, c.life
			if c.life == providers.Pending {
				b.part.finished = providers.Native
			}
			m := providers.Manifest{
				Format: providers.ManifestFormat, ID: earlier, Instance: "prod", URL: b.run.Plan.URL,
				Artifacts: []providers.Artifact{{Address: "home.fake.a", Life: c.life}},
			}
			if c.sum != "" {
				m.Stored = []providers.Stored{{Archive: "archive.fake.a", Parts: parts}}
			}
			if err := b.catalog.Put(catalog.Entry{Manifest: m, Status: c.status}); err != nil {
				t.Fatal(err)
			}
			discarded := false
			b.part.prepare = func(context.Context) error { discarded = b.part.did("discard"); return nil }
			if _, err := b.run.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			e, err := b.catalog.Get(earlier)
			if err != nil || e.Status != c.want {
				t.Errorf("it is %s, %v", e.Status, err)
			}
			if discarded != c.discarded {
				t.Errorf("discarded: %t", discarded)
			}
		})
	}
}

func TestABackupOfNothingIsNone(t *testing.T) {
	b := newBench(t)
	b.run.Plan.Locked, b.run.Plan.After = nil, nil
	if _, err := b.run.Do(t.Context()); !errors.Is(err, apply.ErrNothing) {
		t.Fatalf("got %v", err)
	}
	if list, _ := b.catalog.List(); len(list) > 0 {
		t.Errorf("the catalog lists %+v", list)
	}
}

func TestABackupWithAPartThatIsKeptNowhereIsNotComplete(t *testing.T) {
	cases := map[string]func(*bench){
		"no archive":         func(b *bench) { b.run.Plan.After = b.run.Plan.After[:1] },
		"never finished":     func(b *bench) { b.part.finished = providers.Transient },
		"contained nowhere":  func(b *bench) { b.part.life = providers.Contained },
		"of an unknown life": func(b *bench) { b.part.life = "for ever" },
	}
	for name, arrange := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			arrange(b)
			if _, err := b.run.Do(t.Context()); !errors.Is(err, apply.ErrAfterCapture) {
				t.Fatalf("got %v", err)
			}
			if e, _ := b.catalog.Get(b.run.ID); e.Status != catalog.Captured {
				t.Errorf("it is %s", e.Status)
			}
		})
	}
}
