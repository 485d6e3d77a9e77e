package apply_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
	"bkp/internal/event"
	"bkp/internal/lab/sandbox"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/internal/secret"
	"bkp/providers"
)

// part is a strategy whose every method can be scripted.
type part struct {
	providers.Base

	mu        sync.Mutex
	calls     []string
	capture   func(context.Context) error
	prepare   func(context.Context) error
	finish    func(context.Context) error
	warm      func(context.Context) error
	discarded int
	// repositories is what Capture counts, expected what Expect received.
	repositories *int
	// address, life and finished are of what Capture and Finish return, if they are
	// not those of a staged home.
	address        string
	life, finished providers.Life
	expected       map[string]string
	// tree is that of the artifact.
	tree string
}

func (p *part) Expect(facts map[string]string) {
	p.note("expect")
	p.expected = facts
}

func (p *part) note(call string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, call)
}

func (p *part) did(call string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.calls, call)
}

func run(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (p *part) Check(context.Context) (providers.Report, error) { return providers.Report{}, nil }

func (p *part) Prepare(ctx context.Context, _ providers.BackupID) error {
	p.note("prepare")
	return run(ctx, p.prepare)
}

func (p *part) Warm(ctx context.Context) error {
	p.note("warm")
	return run(ctx, p.warm)
}

func (p *part) Capture(ctx context.Context, _ providers.BackupID) (providers.Artifact, error) {
	p.note("capture")
	a := providers.Artifact{Address: cmp.Or(p.address, "home.fake.a"), Life: cmp.Or(p.life, providers.Staged), Repositories: p.repositories}
	if p.tree != "" {
		a.Trees = providers.OneTree(p.tree)
	}
	return a, run(ctx, p.capture)
}

func (p *part) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	p.note("finish")
	if err := run(ctx, p.finish); err != nil {
		return a, err
	}
	a.Life = cmp.Or(p.finished, a.Life)
	return a, nil
}

func (p *part) Discard(context.Context, providers.BackupID) error {
	p.note("discard")
	p.discarded++
	return nil
}

func (p *part) Restorer(string) (providers.Restorer, error) {
	return nil, errors.New("a run must not restore")
}

// shelf is an archive in memory.
type shelf struct {
	providers.InPlace

	stored []providers.Manifest
	store  func(context.Context) error
	// address of the archive; empty for archive.fake.a.
	address string
	// treesOnly is set for one that keeps no snapshot.
	treesOnly bool
	records   providers.Records
}

func (s *shelf) Check(context.Context, providers.Estimate) (providers.Report, error) {
	return providers.Report{}, nil
}

func (s *shelf) Store(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	s.records = r
	if err := run(ctx, s.store); err != nil {
		return providers.Stored{}, err
	}
	stored := providers.Stored{Archive: cmp.Or(s.address, "archive.fake.a"), Parts: map[string]providers.Part{}}
	for _, a := range m.Artifacts {
		switch {
		case a.Life == providers.Staged:
			stored.Parts[a.Address] = providers.Part{Files: 1}
		case a.Life == providers.Native && !s.treesOnly:
			stored.Native, stored.Parts[a.Address] = true, providers.Part{}
		}
	}
	s.stored = append(s.stored, m.With(stored))
	return stored, nil
}

func (s *shelf) List(context.Context) ([]providers.Manifest, []providers.Finding, error) {
	return s.stored, nil, nil
}

func (s *shelf) Verify(context.Context, providers.BackupID) ([]providers.Finding, error) {
	return nil, nil
}

func (s *shelf) Fetch(context.Context, providers.BackupID, func(providers.Artifact) string) (providers.Manifest, error) {
	return providers.Manifest{}, nil
}

func (s *shelf) Delete(_ context.Context, id providers.BackupID) error {
	s.stored = slices.DeleteFunc(s.stored, func(m providers.Manifest) bool { return m.ID == id })
	return nil
}
func (s *shelf) Discard(context.Context, providers.BackupID) error { return nil }

// bench is one run against a sandbox.
type bench struct {
	server  *sandbox.Server
	part    *part
	shelf   *shelf
	run     *apply.Run
	state   string
	locked  *plan.Locked
	catalog catalog.Catalog
	guard   *idleGuard
	// interrupt is the first Ctrl-C, hurry the second.
	interrupt, hurry func()
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{server: sandbox.NewServer(sandbox.Options{}), part: &part{}, shelf: &shelf{}, state: t.TempDir()}
	ts := httptest.NewServer(b.server)
	t.Cleanup(ts.Close)
	client, err := bitbucket.New(bitbucket.Config{URL: ts.URL, Username: "admin", Password: secret.New("admin")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b.catalog = catalog.Catalog{Dir: b.state + "/catalog"}
	b.run = b.newRun(t, client, "prod-20261122T214431Z")
	return b
}

func (b *bench) newRun(t *testing.T, client *bitbucket.Client, id providers.BackupID) *apply.Run {
	t.Helper()
	j, err := journal.Create(b.state+"/journal", id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	const home, inst = "home.fake.a", "instance.prod"
	start := plan.NewNode(plan.Start, inst, "")
	drain := plan.NewNode(plan.Drain, inst, "", start.ID)
	capture := plan.NewNode(plan.Capture, home, "", drain.ID)
	finish := plan.NewNode(plan.Finish, home, "", capture.ID)
	b.locked = &plan.Locked{
		Instance: "prod", DrainTimeout: plan.Duration(10 * time.Second), Budget: plan.Duration(20 * time.Second),
		Grace: plan.Duration(2 * time.Second), Nodes: []plan.Node{start, drain, capture},
	}
	return &apply.Run{
		ID: id, Tool: "test", Instance: client, Journal: j, Catalog: b.catalog, Sink: event.Discard{}, Parallelism: 2, Cleanup: context.Background(),
		Plan: plan.Plan{
			Instance: "prod", Address: inst,
			Before: []plan.Node{plan.NewNode(plan.Prepare, home, "")},
			Locked: b.locked,
			After:  []plan.Node{finish, plan.NewNode(plan.Store, "archive.fake.a", "", finish.ID)},
		},
		Strategies: map[string]providers.Strategy{home: b.part},
		Archives:   map[string]providers.Archiver{"archive.fake.a": b.shelf},
	}
}

func (b *bench) corners(f func(*sandbox.Corners)) { b.server.ChangeCorners(f) }

// clean asserts what holds after every run that did not end in ErrMayBeLocked.
func (b *bench) clean(t *testing.T) {
	t.Helper()
	if !b.server.State().Idle() {
		t.Errorf("the instance is left in state %+v", b.server.State())
	}
	runs, err := journal.Unfinished(b.state + "/journal")
	if err != nil || len(runs) > 0 {
		t.Errorf("unfinished runs %+v, %v", runs, err)
	}
}

func TestRunMakesABackup(t *testing.T) {
	b := newBench(t)
	result, err := b.run.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.clean(t)
	if result.Window.Total <= 0 || result.Window.DrainedToComplete <= 0 || len(result.Manifest.Stored) != 1 {
		t.Errorf("result %+v", result)
	}
	e, err := b.catalog.Get(b.run.ID)
	if err != nil || e.Status != catalog.Complete {
		t.Errorf("catalog %+v, %v", e, err)
	}
}

func TestEveryFailureUnderTheLockUnlocksThenDiscards(t *testing.T) {
	boom := errors.New("boom")
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	cases := map[string]struct {
		arrange func(*bench, context.CancelFunc)
		want    error
	}{
		"capture fails":  {func(b *bench, _ context.CancelFunc) { b.part.capture = func(context.Context) error { return boom } }, boom},
		"capture panics": {func(b *bench, _ context.CancelFunc) { b.part.capture = func(context.Context) error { panic("torn") } }, nil},
		"cancelled while capturing": {func(b *bench, cancel context.CancelFunc) {
			b.part.capture = func(ctx context.Context) error { cancel(); return wait(ctx) }
		}, context.Canceled},
		"budget reached": {func(b *bench, _ context.CancelFunc) {
			b.locked.Budget = plan.Duration(200 * time.Millisecond)
			b.part.capture = wait
		}, apply.ErrBudget},
		"drain fails": {func(b *bench, _ context.CancelFunc) {
			b.corners(func(c *sandbox.Corners) { c.DrainEnd = sandbox.DrainFails })
		}, bitbucket.ErrDrain},
		"drain never ends": {func(b *bench, _ context.CancelFunc) {
			b.locked.DrainTimeout = plan.Duration(200 * time.Millisecond)
			b.corners(func(c *sandbox.Corners) { c.DrainEnd = sandbox.DrainNever })
		}, apply.ErrDrainTimeout},
		"start reset without effect": {func(b *bench, _ context.CancelFunc) {
			b.corners(func(c *sandbox.Corners) { c.Resets = map[sandbox.Call]int{sandbox.CallStart: 1} })
		}, bitbucket.ErrUnknown},
		"task cancelled by somebody": {func(b *bench, _ context.CancelFunc) {
			b.part.capture = func(context.Context) error { return b.server.FailTask() }
		}, bitbucket.ErrLost},
		"instance restarted": {func(b *bench, _ context.CancelFunc) {
			b.part.capture = func(context.Context) error { b.server.Restart(); return nil }
		}, bitbucket.ErrLost},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c.arrange(b, cancel)
			_, err := b.run.Do(ctx)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if errors.Is(err, apply.ErrMayBeLocked) {
				t.Errorf("claims that it may be locked: %v", err)
			}
			b.clean(t)
			if !b.part.did("discard") {
				t.Error("what was started was not discarded")
			}
			if b.part.did("finish") {
				t.Error("went on after the failure")
			}
			if list, _ := b.catalog.List(); len(list) > 0 {
				t.Errorf("the catalog lists %+v", list)
			}
		})
	}
}

func TestPassingTroubleIsSurvived(t *testing.T) {
	cases := map[string]func(*sandbox.Corners){
		"stale polls":               func(c *sandbox.Corners) { c.StalePolls = 3 },
		"reply to start is lost":    func(c *sandbox.Corners) { c.LostReplies = map[sandbox.Call]int{sandbox.CallStart: 1} },
		"reply to complete is lost": func(c *sandbox.Corners) { c.LostReplies = map[sandbox.Call]int{sandbox.CallProgress: 1} },
		"reply to unlock is lost":   func(c *sandbox.Corners) { c.LostReplies = map[sandbox.Call]int{sandbox.CallUnlock: 2} },
		"polls are reset":           func(c *sandbox.Corners) { c.Resets = map[sandbox.Call]int{sandbox.CallMaintenance: 2} },
		"unlock answers 502 twice":  func(c *sandbox.Corners) { c.Answers = map[sandbox.Call][]int{sandbox.CallUnlock: {502, 502}} },
		"unlock answers 200":        func(c *sandbox.Corners) { c.Codes.Unlocked = 200 },
	}
	for name, corner := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.corners(corner)
			if _, err := b.run.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.clean(t)
		})
	}
}

func TestALostReplyToTheLockIsNoRefusal(t *testing.T) {
	b := newBench(t)
	b.corners(func(c *sandbox.Corners) { c.LostReplies = map[sandbox.Call]int{sandbox.CallLock: 1} })
	_, err := b.run.Do(t.Context())
	if !errors.Is(err, apply.ErrMayBeLocked) || !errors.Is(err, apply.ErrTokenUnknown) {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "locked by admin, the account of bkp") || !strings.Contains(problem.Remedy(err), "restart it") {
		t.Errorf("it does not say what is known: %v\n%s", err, problem.Remedy(err))
	}
	r, err := journal.Load(b.state+"/journal", b.run.ID)
	if err != nil || !r.MayBeLocked {
		t.Errorf("the journal forgot: %+v, %v", r, err)
	}

	b = newBench(t)
	b.server.LockAs(sandbox.Owner{Name: "alice"})
	_, err = b.run.Do(t.Context())
	if !errors.Is(err, bitbucket.ErrLocked) || errors.Is(err, apply.ErrMayBeLocked) || !strings.Contains(err.Error(), "alice") {
		t.Fatalf("got %v", err)
	}
	if b.part.did("capture") {
		t.Error("captured without the lock")
	}
}

// TestARequestToLockThatHadNoEffectIsAPlainFailure: the connection is reset
// before the instance does anything.
func TestARequestToLockThatHadNoEffectIsAPlainFailure(t *testing.T) {
	b := newBench(t)
	b.corners(func(c *sandbox.Corners) { c.Resets = map[sandbox.Call]int{sandbox.CallLock: 1} })
	if _, err := b.run.Do(t.Context()); err == nil || errors.Is(err, apply.ErrMayBeLocked) {
		t.Errorf("got %v", err)
	}
	b.clean(t)
}

// TestALockThatComesAfterItsConnectionIsGoneIsNoticed: the connection goes at
// once, and the lock takes effect a little later.
func TestALockThatComesAfterItsConnectionIsGoneIsNoticed(t *testing.T) {
	b := newBench(t)
	client, ok := b.run.Instance.(*bitbucket.Client)
	if !ok {
		t.Fatal("no client")
	}
	b.run.Instance = hasty{client, b.server}
	if _, err := b.run.Do(t.Context()); !errors.Is(err, apply.ErrMayBeLocked) {
		t.Errorf("got %v", err)
	}
}

// hasty is an instance that locks after it has hung up.
type hasty struct {
	*bitbucket.Client

	server *sandbox.Server
}

func (h hasty) Lock(context.Context) (bitbucket.Lease, error) {
	time.AfterFunc(500*time.Millisecond, func() { h.server.LockAs(sandbox.Owner{Name: "admin"}) })
	return bitbucket.Lease{}, fmt.Errorf("%w: connection reset", bitbucket.ErrUnknown)
}

// TestALockThatIsSomebodyElsesWhenTheUnlockIsRepeatedIsNoFailure: the reply to
// the unlock is lost, and before it is repeated alice locks.
func TestALockThatIsSomebodyElsesWhenTheUnlockIsRepeatedIsNoFailure(t *testing.T) {
	b := newBench(t)
	client, ok := b.run.Instance.(*bitbucket.Client)
	if !ok {
		t.Fatal("no client")
	}
	b.run.Instance = relocked{client, b.server}
	if _, err := b.run.Do(t.Context()); err != nil {
		t.Errorf("the backup was covered by the lock: %v", err)
	}
	if s := b.server.State(); !s.Locked() || s.Owner.Name != "alice" {
		t.Errorf("the test did not come to it: %+v", s)
	}
}

// relocked is an instance that alice locks between two requests to unlock.
type relocked struct {
	*bitbucket.Client

	server *sandbox.Server
}

func (r relocked) Unlock(ctx context.Context, l bitbucket.Lease) error {
	if err := r.Client.Unlock(ctx, l); err != nil {
		return err
	}
	r.server.LockAs(sandbox.Owner{Name: "alice"})
	return r.Client.Unlock(ctx, l)
}

func TestAReplyWithoutATokenIsNoLock(t *testing.T) {
	b := newBench(t)
	b.corners(func(c *sandbox.Corners) { c.Bodies = map[sandbox.Call]string{sandbox.CallLock: "{}"} })
	if _, err := b.run.Do(t.Context()); !errors.Is(err, apply.ErrMayBeLocked) {
		t.Fatalf("got %v", err)
	}
}

func TestABackupThatCannotBeStoredIsKeptAndResumed(t *testing.T) {
	b := newBench(t)
	b.shelf.store = func(context.Context) error { return errors.New("disk full") }
	result, err := b.run.Do(t.Context())
	if !errors.Is(err, apply.ErrAfterCapture) {
		t.Fatalf("got %v", err)
	}
	b.clean(t)
	if b.part.did("discard") {
		t.Error("a good capture was discarded")
	}
	e, err := b.catalog.Get(b.run.ID)
	if err != nil || e.Status != catalog.Captured {
		t.Fatalf("catalog %+v, %v", e, err)
	}
	b.shelf.store = nil
	if result, err = b.run.Resume(t.Context(), e.Manifest); err != nil || len(result.Manifest.Stored) != 1 {
		t.Fatalf("resume: %+v, %v", result, err)
	}
	if e, _ = b.catalog.Get(b.run.ID); e.Status != catalog.Complete {
		t.Errorf("status %s", e.Status)
	}
}

func TestTheTokenIsOnDiskBeforeTheBackupStarts(t *testing.T) {
	b := newBench(t)
	var seen journal.Run
	b.part.capture = func(context.Context) (err error) {
		seen, err = journal.Load(b.state+"/journal", b.run.ID)
		return err
	}
	if _, err := b.run.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen.UnlockToken == "" || seen.CancelToken == "" || !seen.MayBeLocked {
		t.Errorf("while capturing the journal knew %+v", seen)
	}
}
