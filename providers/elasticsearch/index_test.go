package elasticsearch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bkp/internal/lab/searchserver"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/elasticsearch"
	"bkp/providers/providertest"
)

const (
	testName    = `elasticsearch "fs"`
	testAddress = "elasticsearch.fs.search"
	theURL      = "https://bitbucket.example.com"
)

// wantProblem expects an error of this summary, with something to do.
func wantProblem(t *testing.T, err error, summary string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Summary != summary || p.Remedy == "" {
		t.Errorf("got %v, want %q with a remedy", err, summary)
	}
}

// quick is a strategy on a stand-in with two indices.
type quick struct {
	*searchserver.StandIn
	login  elasticsearch.Login
	cfg    elasticsearch.Config
	store  elasticsearch.Store
	warned []string
	writes int
}

func newQuick(t testing.TB) *quick {
	t.Helper()
	q := &quick{StandIn: searchserver.NewStandIn(t), cfg: elasticsearch.Defaults(), store: elasticsearch.Store{Type: "fs", Settings: map[string]string{"location": "/snapshots"}}}
	q.login, q.cfg.Register = loginOf(q.URL, "", ""), true
	q.Put("bitbucket-search-v1", "1", "one")
	q.Put("bitbucket-project", "1", "a project")
	return q
}

func (q *quick) open() *elasticsearch.Index {
	return elasticsearch.New(testName, q.login, q.cfg, q.store, providers.Env{
		Address: testAddress, Instance: providers.Instance{Name: "test", URL: theURL}, Warn: func(m string) { q.warned = append(q.warned, m) },
	})
}

func (q *quick) write() {
	q.writes++
	q.Put("bitbucket-search-v1", fmt.Sprint("more", q.writes), "more")
}

// restorer restores once the indices are gone.
func (q *quick) restorer(t testing.TB) providers.Restorer {
	t.Helper()
	to, err := q.open().Restorer("")
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// TestContract: the index goes back to where it came from, so the target is the server
// without its indices.
func TestContract(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		q := newQuick(t)
		q.Slow(searchserver.Slowness{Initializing: 2, Running: 1})
		return providertest.Harness{
			New: func(*testing.T) providers.Strategy {
				if len(q.State()) == 0 {
					q.write() // a target was made before
				}
				return fresh{q.open()}
			},
			Mutate: func(*testing.T) { q.write() },
			State:  func(*testing.T) map[string]string { return q.State() },
			Target: func(t *testing.T) providertest.Target {
				q.Clear()
				return providertest.Target{Restorer: q.restorer(t), State: func(*testing.T) map[string]string { return q.State() }, Occupy: func(*testing.T) { q.Put("bitbucket-project", "2", "other") }}
			},
			Prepares: true,
		}
	})
}

// fresh makes room for the snapshot of the same backup, as the tests of the contract
// make it several times.
type fresh struct{ *elasticsearch.Index }

func (f fresh) Prepare(ctx context.Context, b providers.BackupID) error {
	if err := f.Index.Prepare(ctx, b); err != nil {
		return err
	}
	return f.Discard(ctx, b)
}

func (q *quick) prepared(t testing.TB) *elasticsearch.Index {
	t.Helper()
	x := q.open()
	if err := errors.Join(x.Prepare(t.Context(), providertest.ID), x.Warm(t.Context())); err != nil {
		t.Fatal(err)
	}
	return x
}

// captured is a capture by another process.
func (q *quick) captured(t testing.TB) providers.Artifact {
	t.Helper()
	x := q.prepared(t)
	a, err := x.Capture(t.Context(), providertest.ID)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func manifestOf(a providers.Artifact) providers.Manifest {
	return providers.Manifest{Format: 1, ID: providertest.ID, Instance: "test", URL: theURL, Artifacts: []providers.Artifact{a}}
}

// TestCaptureReturnsWhenEveryShardHasBegun: a snapshot that takes long holds up nobody,
// and one whose shards wait for their turn does.
func TestCaptureReturnsWhenEveryShardHasBegun(t *testing.T) {
	q := newQuick(t)
	x := q.prepared(t)
	q.Slow(searchserver.Slowness{Initializing: 4, Running: 1 << 30})
	if _, err := x.Capture(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, c := range q.Calls() {
		if strings.HasSuffix(c, "/_status") {
			asked++
		}
	}
	if asked != 5 {
		t.Errorf("asked %d times whether the shards wait, want 5", asked)
	}
}

// TestPatternWithoutIndex: the server would call an empty snapshot a success.
func TestPatternWithoutIndex(t *testing.T) {
	q := newQuick(t)
	q.Clear()
	r, err := q.open().Check(t.Context())
	if err != nil || !r.Failed() || r.Findings[0].Summary != "no index to capture" {
		t.Errorf("%v %v", err, r.Findings)
	}
	if _, err := q.open().Capture(t.Context(), providertest.ID); err == nil {
		t.Error("it captured nothing, and called that a success")
	}
}

// TestSnapshotThatIsNotWhole fails the backup, or is left out of it.
func TestSnapshotThatIsNotWhole(t *testing.T) {
	for state, summary := range map[string]string{
		"PARTIAL": "snapshot of the search index is not whole", "FAILED": "snapshot of the search index is not whole", "": "snapshot of the search index is gone",
	} {
		for _, required := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s required %v", state, required), func(t *testing.T) {
				q := newQuick(t)
				q.Slow(searchserver.Slowness{Running: 1 << 30})
				a := q.captured(t)
				q.End(q.cfg.Repository, a.Ref["snapshot"], state)
				q.cfg.Required = required
				a, err := q.open().Finish(t.Context(), a)
				if required {
					wantProblem(t, err, summary)
					return
				}
				if err != nil || a.Life != providers.External || len(q.warned) != 1 {
					t.Fatalf("%v %+v %q", err, a, q.warned)
				}
				if err := q.open().Discard(t.Context(), providertest.ID); err != nil {
					t.Fatal(err)
				}
				if left := q.Snapshots(q.cfg.Repository); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
				// And restored it is a remark.
				if r, err := q.restorer(t).Check(t.Context(), a); err != nil || r.Failed() || len(r.Findings) != 1 {
					t.Errorf("%v %v", err, r.Findings)
				}
			})
		}
	}
}

// TestServerThatIsDown leaves the index out only where it is not required.
func TestServerThatIsDown(t *testing.T) {
	q := newQuick(t)
	down := func(*http.Request) *searchserver.Answer {
		return &searchserver.Answer{Status: 500, Type: "cluster_block_exception", Reason: "no master"}
	}
	q.cfg.Required = false
	x := q.prepared(t)
	q.Disturb(down)
	a, err := x.Capture(t.Context(), providertest.ID)
	if err != nil || a.Life != providers.External {
		t.Fatalf("%v %+v", err, a)
	}
	if a, err = x.Finish(t.Context(), a); err != nil || a.Life != providers.External {
		t.Fatalf("%v %+v", err, a)
	}
	if r, err := q.open().Check(t.Context()); err != nil || r.Failed() || len(r.Findings) != 1 {
		t.Errorf("%v %v", err, r.Findings)
	}
	q.cfg.Required = true
	if _, err := q.open().Capture(t.Context(), providertest.ID); err == nil {
		t.Error("no error")
	}
}

// TestDiscardLeavesWhatWasKept, and others' snapshots, alone.
func TestDiscardLeavesWhatWasKept(t *testing.T) {
	q := newQuick(t)
	a := q.captured(t)
	a, err := q.open().Finish(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // idempotent
		if _, err := q.open().Keep(t.Context(), manifestOf(a), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.open().Discard(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	list, findings, err := q.open().List(t.Context())
	if err != nil || len(list) != 1 || len(findings) > 0 {
		t.Fatalf("%v %v %v", err, list, findings)
	}
	// Another instance that uses the same repository does not see it, nor remove it.
	other := elasticsearch.New(testName, q.login, q.cfg, q.store, providers.Env{Address: testAddress, Instance: providers.Instance{Name: "test", URL: "https://other.example.com"}})
	if list, _, err := other.List(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("%v %v", err, list)
	}
	if err := errors.Join(other.Delete(t.Context(), providertest.ID), other.Discard(t.Context(), providertest.ID)); err != nil {
		t.Fatal(err)
	}
	if left := q.Snapshots(q.cfg.Repository); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
	q.End(q.cfg.Repository, a.Ref["snapshot"], "")
	if list, findings, _ := q.open().List(t.Context()); len(list) > 0 || len(findings) != 1 {
		t.Errorf("a mark without its snapshot: %v %v", list, findings)
	}
	for range 2 {
		if err := q.open().Delete(t.Context(), providertest.ID); err != nil {
			t.Fatal(err)
		}
	}
	if left := q.Snapshots(q.cfg.Repository); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestAnswersThatAreLost: what the server did all the same is found.
func TestAnswersThatAreLost(t *testing.T) {
	q := newQuick(t)
	x := q.prepared(t)
	once := true
	q.Disturb(func(r *http.Request) *searchserver.Answer {
		if lost := once && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/test-"); lost {
			once = false
			return &searchserver.Answer{After: true}
		}
		return nil
	})
	a, err := x.Capture(t.Context(), providertest.ID)
	if err != nil || once {
		t.Fatalf("%v, disturbed %v", err, !once)
	}
	if _, err := x.Finish(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	// The snapshot of another run is none of ours.
	if _, err := q.prepared(t).Capture(t.Context(), providertest.ID); err == nil {
		t.Error("it took the snapshot of another run for its own")
	}
}

// TestBusyServer is asked again; how often is bounded by the context.
func TestBusyServer(t *testing.T) {
	q := newQuick(t)
	x := q.prepared(t)
	refusals := 3
	q.Disturb(func(r *http.Request) *searchserver.Answer {
		if r.Method != http.MethodPut || refusals == 0 {
			return nil
		}
		refusals--
		return &searchserver.Answer{Status: 503, Type: "concurrent_snapshot_execution_exception", Reason: "a snapshot is already running"}
	})
	if _, err := x.Capture(t.Context(), providertest.ID); err != nil || refusals > 0 {
		t.Fatalf("%v, %d refusals left", err, refusals)
	}
	refusals = 1 << 30
	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("the budget is over")
	q.Disturb(func(r *http.Request) *searchserver.Answer {
		if r.Method != http.MethodPut {
			return nil
		}
		cancel(over)
		return &searchserver.Answer{Status: 503, Type: "concurrent_snapshot_execution_exception"}
	})
	if _, err := q.open().Capture(ctx, "test-20261122T214432Z"); !errors.Is(err, over) {
		t.Error(err)
	}
}

// TestDiagnostics: each refusal has a summary of its own, and says what to do.
func TestDiagnostics(t *testing.T) {
	for summary, a := range map[string]searchserver.Answer{
		"search server refuses the credentials":               {Status: 401, Type: "security_exception", Reason: "missing authentication credentials"},
		"search server denies an action":                      {Status: 403, Type: "security_exception", Reason: "action [cluster:monitor/main] is unauthorized for user [bkp]"},
		"search server refuses the content type":              {Status: 406, Reason: "Content-Type header is not supported"},
		"snapshot repository is not registered":               {Status: 404, Type: "repository_missing_exception", Reason: "[x] missing"},
		"location is not allowed by the search server":        {Status: 500, Type: "repository_exception", Reason: "location [/x] doesn't match any of the locations specified by path.repo"},
		"search server does not know this type of repository": {Status: 500, Type: "repository_exception", Reason: "repository type [s3] does not exist"},
		"snapshot repository is read-only":                    {Status: 500, Type: "repository_exception", Reason: "cannot create snapshot in a readonly repository"},
		"snapshot repository cannot be used":                  {Status: 500, Type: "repository_verification_exception", Reason: "[x] path is not accessible"},
		"index has no primary shard":                          {Status: 500, Type: "snapshot_exception", Reason: "Indices don't have primary shards [x]"},
		"search server gave an error":                         {Status: 500, Type: "something_exception", Reason: "something"},
		"snapshot is not there":                               {Status: 404, Type: "snapshot_missing_exception", Reason: "x"},
		"search server refuses the name of the snapshot":      {Status: 400, Type: "invalid_snapshot_name_exception", Reason: "must be lowercase"},
		"index is there already":                              {Status: 500, Type: "snapshot_restore_exception", Reason: "an open index with same name already exists"},
	} {
		t.Run(summary, func(t *testing.T) {
			q := newQuick(t)
			q.Disturb(func(*http.Request) *searchserver.Answer { return &a })
			r, err := q.open().Check(t.Context())
			if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != summary || r.Findings[0].Remedy == "" || !r.Failed() {
				t.Errorf("%v %+v", err, r.Findings)
			}
		})
	}
}

// TestNoServer: nothing listens there.
func TestNoServer(t *testing.T) {
	q := newQuick(t)
	q.login.URL = "http://127.0.0.1:1"
	r, err := q.open().Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != "search server does not answer" || !r.Failed() {
		t.Errorf("%v %v", err, r.Findings)
	}
}

// TestAnotherCluster: a plan is for the one that it saw.
func TestAnotherCluster(t *testing.T) {
	q := newQuick(t)
	x := q.open()
	x.Expect(map[string]string{"cluster": "another"})
	wantProblem(t, x.Prepare(t.Context(), providertest.ID), "search server is another cluster")
}

// TestRepositoryOfSomethingElse is neither changed nor used.
func TestRepositoryOfSomethingElse(t *testing.T) {
	for name, settings := range map[string]map[string]string{"snapshot repository is another one": {"location": "/elsewhere"}, "snapshot repository is read-only": {"location": "/snapshots", "readonly": "true"}} {
		q := newQuick(t)
		registered := q.store
		q.store.Settings = settings
		if err := q.open().Prepare(t.Context(), providertest.ID); err != nil && name != "snapshot repository is read-only" {
			t.Fatal(err)
		}
		q.store = registered
		if name == "snapshot repository is read-only" {
			q.store.Settings = map[string]string{"location": "/snapshots"}
		}
		wantProblem(t, q.open().Prepare(t.Context(), providertest.ID), name)
		if r, err := q.open().Check(t.Context()); err != nil || !r.Failed() {
			t.Errorf("%v %v", err, r.Findings)
		}
	}
}

// TestRestoreOnAnotherCluster registers the repository so that only one writes to it.
func TestRestoreOnAnotherCluster(t *testing.T) {
	q := newQuick(t)
	a, err := q.open().Finish(t.Context(), q.captured(t))
	if err != nil {
		t.Fatal(err)
	}
	other := searchserver.NewStandIn(t)
	q.login = loginOf(other.URL, "", "")
	a.Facts["cluster"] = "the-one-before"
	to := q.restorer(t)
	if r, err := to.Check(t.Context(), a); err != nil || r.Failed() || len(r.Findings) != 1 {
		t.Errorf("%v %v", err, r.Findings)
	}
	wantProblem(t, to.Restore(t.Context(), a), "snapshot is not there") // stand-ins share no folder
	wantProblem(t, q.open().Prepare(t.Context(), providertest.ID), "snapshot repository is read-only")
}

// TestRestoreThatFailsLeavesNothing: what was restored in part is removed.
func TestRestoreThatFailsLeavesNothing(t *testing.T) {
	q := newQuick(t)
	a, err := q.open().Finish(t.Context(), q.captured(t))
	if err != nil {
		t.Fatal(err)
	}
	q.Clear()
	q.Disturb(func(r *http.Request) *searchserver.Answer {
		if strings.HasPrefix(r.URL.Path, "/_cat/shards") {
			return &searchserver.Answer{Status: 500, Type: "something_exception", Reason: "broken"}
		}
		return nil
	})
	if err := q.restorer(t).Restore(t.Context(), a); err == nil {
		t.Fatal("no error")
	}
	if left := q.State(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestRebuild restores nothing, and says what to do.
func TestRebuild(t *testing.T) {
	q := newQuick(t)
	a, err := q.open().Finish(t.Context(), q.captured(t))
	if err != nil {
		t.Fatal(err)
	}
	q.cfg.Rebuild = true
	before := q.State()
	r, err := q.restorer(t).Check(t.Context(), a)
	if err != nil || r.Failed() || len(r.Findings) != 1 || r.Findings[0].Severity != problem.Warning {
		t.Errorf("%v %v", err, r.Findings)
	}
	if err := q.restorer(t).Restore(t.Context(), a); err != nil || len(q.warned) != 1 || !strings.Contains(q.warned[0], "bitbucket-*") {
		t.Errorf("%v %q", err, q.warned)
	}
	providertest.SameTrees(t, before, q.State(), nil)
}
