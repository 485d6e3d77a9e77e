package elasticsearch_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bkp/internal/lab/searchserver"
	"bkp/providers"
	"bkp/providers/elasticsearch"
)

// bench is a server with a repository and a pattern of its own.
type bench struct {
	raw
	server *searchserver.Server
	// prefix begins the names of the indices.
	prefix string
	login  elasticsearch.Login
	cfg    elasticsearch.Config
	store  elasticsearch.Store
	warned []string
}

func newBench(t *testing.T, s *searchserver.Server, prefix string) *bench {
	t.Helper()
	b := &bench{
		raw: raw{s.URL, s.User, s.Password}, server: s, prefix: prefix, cfg: elasticsearch.Defaults(),
		login: loginOf(s.URL, s.User, s.Password),
	}
	b.cfg.Index, b.cfg.Repository, b.cfg.Register = prefix+"-*", prefix, true
	b.store = elasticsearch.Store{Type: "fs", Settings: map[string]string{"location": filepath.Join(s.Snapshots, prefix)}}
	return b
}

// open opens the strategy as a new process would.
func (b *bench) open() *elasticsearch.Index {
	return elasticsearch.New(testName, b.login, b.cfg, b.store, providers.Env{
		Address: testAddress, Instance: providers.Instance{Name: "prod", URL: "https://bitbucket.example.com"},
		Warn: func(m string) { b.warned = append(b.warned, m) },
	})
}

// capture takes a fresh strategy to the end of Capture.
func (b *bench) capture(t *testing.T, id providers.BackupID) (*elasticsearch.Index, providers.Artifact) {
	t.Helper()
	x := b.open()
	if r, err := x.Check(t.Context()); err != nil || r.Failed() {
		t.Fatal(err, r.Findings)
	}
	if err := errors.Join(x.Prepare(t.Context(), id), x.Warm(t.Context())); err != nil {
		t.Fatal(err)
	}
	a, err := x.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if a.Life != providers.Pending {
		t.Fatalf("captured as %+v", a)
	}
	return x, a
}

// keep finishes a capture in another process, and keeps it.
func (b *bench) keep(t *testing.T, id providers.BackupID, a providers.Artifact) providers.Artifact {
	t.Helper()
	x := b.open()
	a, err := x.Finish(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	m := providers.Manifest{Format: 1, ID: id, Instance: "prod", URL: "https://bitbucket.example.com", BitbucketVersion: "9.4.1", LockWindow: 1500 * time.Millisecond, Artifacts: []providers.Artifact{a}}
	if a, err = x.Keep(t.Context(), m, a); err != nil {
		t.Fatal(err)
	}
	return a
}

func idAt(second int) providers.BackupID {
	return providers.NewBackupID("prod", time.Date(2026, 11, 28, 3, 0, second, 0, time.UTC))
}

func TestBedOpenSearch2(t *testing.T) {
	s := searchserver.Start(t, searchserver.OpenSearch2, false)
	t.Run("whole life", func(t *testing.T) { wholeLife(t, newBench(t, s, "life")) })
	t.Run("whole life in a bucket", func(t *testing.T) { wholeLife(t, bucketOf(t, s)) })
	t.Run("repositories", func(t *testing.T) { repositories(t, newBench(t, s, "repositories")) })
	t.Run("unassigned", func(t *testing.T) { unassigned(t, newBench(t, s, "unassigned")) })
	t.Run("under load", func(t *testing.T) { underLoad(t, newBench(t, s, "load")) })
	t.Run("aborted", func(t *testing.T) { aborted(t, newBench(t, s, "aborted")) })
	t.Run("queued", func(t *testing.T) { queued(t, newBench(t, s, "queued")) })
	t.Run("throttled", func(t *testing.T) { throttled(t, newBench(t, s, "throttled")) })
	t.Run("not whole", func(t *testing.T) { notWhole(t, newBench(t, s, "whole")) })
	t.Run("left out", func(t *testing.T) { leftOut(t, newBench(t, s, "out")) })
	t.Run("rebuild", func(t *testing.T) { rebuild(t, newBench(t, s, "rebuild")) })
	t.Run("killed", func(t *testing.T) { killed(t, newBench(t, s, "killed")) })
}

// wholeLife backs up under load, deletes, restores and prunes.
func wholeLife(t *testing.T, b *bench) {
	main, other := b.prefix+"-search-v1", b.prefix+"-project"
	b.index(t, main)
	b.index(t, other)
	b.fill(t, main, 0, 3000)
	b.fill(t, other, 0, 50)
	id := idAt(1)
	// What is indexed once Capture has returned is not in the backup.
	x, a := b.capture(t, id)
	b.fill(t, main, 3000, 3500)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	a = b.keep(t, id, a)
	list, findings, err := b.open().List(t.Context())
	if err != nil || len(findings) > 0 || len(list) != 1 || list[0].ID != id || list[0].BitbucketVersion != "9.4.1" || list[0].LockWindow != 1500*time.Millisecond {
		t.Fatalf("%v %v %+v", err, findings, list)
	}
	if err := b.open().Discard(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	to, err := b.open().Restorer("")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := to.Check(t.Context(), a); err != nil || !r.Failed() || r.Findings[0].Summary != "search index is not empty" {
		t.Fatalf("over open indices: %v %v", err, r.Findings)
	}
	if err := to.Restore(t.Context(), a); err == nil {
		t.Fatal("it restored over open indices")
	}
	same(t, b.documents(t, main), numbers(0, 3500))
	b.clear(t, b.cfg.Index)
	// The state folder is lost: what the repository says has to do.
	a, _ = list[0].Artifact(testAddress)
	if r, err := to.Check(t.Context(), a); err != nil || r.Failed() {
		t.Fatal(err, r.Findings)
	}
	if err := to.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	same(t, b.documents(t, main), numbers(0, 3000))
	same(t, b.documents(t, other), numbers(0, 50))
	if err := b.open().Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if text := b.must(t, http.MethodGet, "/_snapshot/"+b.cfg.Repository+"/_all", ""); strings.Contains(text, `"snapshot":"`) {
		t.Errorf("after Delete there is: %s", text)
	}
	if _, err := b.open().Verify(t.Context(), id); !errors.Is(err, providers.ErrNotFound) {
		t.Error(err)
	}
}
