package elasticsearch_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bkp/internal/lab/searchserver"
)

// slow lets snapshots of the bench's repository copy 300 kB a second.
func (b *bench) slow(t *testing.T) {
	t.Helper()
	b.must(t, http.MethodPut, "/_snapshot/"+b.cfg.Repository, `{"type":"fs","settings":{"location":"`+b.store.Settings["location"]+`","max_snapshot_bytes_per_sec":"300kb"}}`)
}

// lastStart is when the last shard of a snapshot began.
func (b *bench) lastStart(t *testing.T, name string) time.Time {
	t.Helper()
	var answer struct {
		Snapshots []struct {
			Indices map[string]struct {
				Shards map[string]struct {
					Stage string
					Stats struct {
						Start int64 `json:"start_time_in_millis"`
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(b.must(t, http.MethodGet, "/_snapshot/"+b.cfg.Repository+"/"+name+"/_status", "")), &answer); err != nil {
		t.Fatal(err)
	}
	var last int64
	for _, index := range answer.Snapshots[0].Indices {
		for _, s := range index.Shards {
			if s.Stage == "INIT" {
				t.Errorf("a shard has not begun")
			}
			last = max(last, s.Stats.Start)
		}
	}
	return time.UnixMilli(last)
}

// throttled: users wait for the beginning of the snapshot alone.
func throttled(t *testing.T, b *bench) {
	main := b.prefix + "-search"
	b.index(t, main)
	b.fill(t, main, 0, 12_000)
	b.slow(t)
	id := idAt(2)
	begun := time.Now()
	_, a := b.capture(t, id)
	returned := time.Now()
	since := returned.Sub(b.lastStart(t, a.Ref["snapshot"]))
	if since > 500*time.Millisecond {
		t.Errorf("the capture returned %v after the last shard had begun", since)
	}
	b.fill(t, main, 12_000, 12_500)
	// Others' requests while it runs.
	if status, text := b.ask(t, http.MethodDelete, "/"+main, ""); status != http.StatusBadRequest || !strings.Contains(text, "snapshot_in_progress_exception") {
		t.Errorf("%d %s", status, text)
	}
	a = b.keep(t, id, a)
	t.Logf("capture with its checks %v, returned %v after the last shard's start; the end of the snapshot came %v later", returned.Sub(begun).Round(time.Millisecond), since, time.Since(returned).Round(time.Millisecond))
	b.clear(t, b.cfg.Index)
	to, err := b.open().Restorer("")
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	same(t, b.documents(t, main), numbers(0, 12_000))
}

// underLoad: what was written before Capture is in the snapshot, and nothing that was
// written once it had returned.
func underLoad(t *testing.T, b *bench) {
	main := b.prefix + "-search"
	b.index(t, main)
	b.fill(t, main, 0, 500)
	var mu sync.Mutex
	written, stop := 500, false
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			mu.Lock()
			n, ended := written, stop
			mu.Unlock()
			if ended {
				return
			}
			b.fill(t, main, n, n+20)
			mu.Lock()
			written = n + 20
			mu.Unlock()
		}
	})
	count := func() int { mu.Lock(); defer mu.Unlock(); return written }
	reach := func(n int) {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for count() < n {
			<-tick.C
		}
	}
	x := b.open()
	id := idAt(3)
	if err := errors.Join(x.Prepare(t.Context(), id), x.Warm(t.Context())); err != nil {
		t.Fatal(err)
	}
	reach(1500)
	before := count()
	a, err := x.Capture(t.Context(), id)
	after := count() + 20 // one bulk may be under way
	if err != nil {
		t.Fatal(err)
	}
	reach(after + 500)
	mu.Lock()
	stop = true
	mu.Unlock()
	writer.Wait()
	a = b.keep(t, id, a)
	b.clear(t, b.cfg.Index)
	to, err := b.open().Restorer("")
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	got := b.documents(t, main)
	if len(got) < before || !slices.Equal(got[:before], numbers(0, before)) || got[len(got)-1] >= after {
		t.Errorf("%d documents up to %d; %d were there before the capture, and %d after it", len(got), got[len(got)-1], before, after)
	}
	t.Logf("written before the capture %d, restored %d, written when it had returned %d", before, len(got), after)
}

// aborted: a snapshot that somebody deletes, and one that Discard ends.
func aborted(t *testing.T, b *bench) {
	b.index(t, b.prefix+"-search")
	b.fill(t, b.prefix+"-search", 0, 8000)
	b.slow(t)
	_, a := b.capture(t, idAt(4))
	b.must(t, http.MethodDelete, "/_snapshot/"+b.cfg.Repository+"/"+a.Ref["snapshot"], "")
	_, err := b.open().Finish(t.Context(), a)
	wantProblem(t, err, "snapshot of the search index is gone")
	_, a = b.capture(t, idAt(5))
	for range 2 {
		if err := b.open().Discard(t.Context(), idAt(5)); err != nil {
			t.Fatal(err)
		}
	}
	if status, text := b.ask(t, http.MethodGet, "/_snapshot/"+b.cfg.Repository+"/"+a.Ref["snapshot"], ""); status != http.StatusNotFound {
		t.Errorf("%d %s", status, text)
	}
}

// queued: another's snapshot runs. Prepare waits for it, and the lock need not.
func queued(t *testing.T, b *bench) {
	main := b.prefix + "-search"
	b.index(t, main)
	b.fill(t, main, 0, 3000)
	b.slow(t)
	b.must(t, http.MethodPut, "/_snapshot/"+b.cfg.Repository+"/of-somebody-else", `{"indices":"`+main+`"}`)
	x := b.open()
	id := idAt(6)
	if err := x.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if len(b.warned) != 1 || !strings.Contains(b.warned[0], "of-somebody-else") {
		t.Errorf("%q", b.warned)
	}
	begun := time.Now()
	a, err := x.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the capture took %v", time.Since(begun))
	b.keep(t, id, a)
	if err := b.open().Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if text := b.must(t, http.MethodGet, "/_snapshot/"+b.cfg.Repository+"/_all", ""); !strings.Contains(text, "of-somebody-else") {
		t.Errorf("the snapshot of somebody else is gone: %s", text)
	}
}

// unassigned: an index without its primary shard fails before anything is begun.
func unassigned(t *testing.T, b *bench) {
	b.must(t, http.MethodPut, "/"+b.prefix+"-broken?wait_for_active_shards=0", `{"settings":{"number_of_replicas":0,"index.routing.allocation.require._name":"nowhere"}}`)
	r, err := b.open().Check(t.Context())
	if err != nil || !r.Failed() || r.Findings[0].Summary != "index has no primary shard" {
		t.Errorf("%v %v", err, r.Findings)
	}
	_, err = b.open().Capture(t.Context(), idAt(7))
	wantProblem(t, err, "index has no primary shard")
	b.clear(t, b.cfg.Index)
}

// repositories that cannot be used, each with its diagnostic.
func repositories(t *testing.T, b *bench) {
	b.index(t, b.prefix+"-search")
	prepare := func(typ string, settings map[string]string) error {
		b.store.Type, b.store.Settings = typ, settings
		return b.open().Prepare(t.Context(), idAt(8))
	}
	wantProblem(t, prepare("fs", map[string]string{"location": "/not/allowed"}), "location is not allowed by the search server")
	wantProblem(t, prepare("azure", map[string]string{"container": "x"}), "search server does not know this type of repository")
	if b.server.Plugged() {
		wantProblem(t, prepare("s3", map[string]string{"bucket": "absent"}), "snapshot repository cannot be used")
		b.must(t, http.MethodDelete, "/_snapshot/"+b.cfg.Repository, "") // it was registered before it was verified
	}
	// Registered by hand as read-only.
	b.store.Type, b.store.Settings = "fs", map[string]string{"location": filepath.Join(b.server.Snapshots, b.prefix)}
	b.must(t, http.MethodPut, "/_snapshot/"+b.cfg.Repository+"?verify=false", `{"type":"fs","settings":{"location":"`+b.store.Settings["location"]+`","readonly":"true"}}`)
	r, err := b.open().Check(t.Context())
	if err != nil || !r.Failed() || r.Findings[0].Summary != "snapshot repository is read-only" {
		t.Errorf("%v %v", err, r.Findings)
	}
	_, err = b.open().Capture(t.Context(), idAt(8))
	wantProblem(t, err, "snapshot repository is read-only")
	b.cfg.Register = false
	b.cfg.Repository = "unknown"
	wantProblem(t, b.open().Prepare(t.Context(), idAt(8)), "snapshot repository is not registered")
}

// killed: the server forgets a snapshot that it was taking, and takes the next one.
func killed(t *testing.T, b *bench) {
	main := b.prefix + "-search"
	b.index(t, main)
	b.fill(t, main, 0, 8000)
	b.slow(t)
	_, a := b.capture(t, idAt(9))
	b.server.Kill()
	b.server.Restart(t)
	_, err := b.open().Finish(t.Context(), a)
	wantProblem(t, err, "snapshot of the search index is gone")
	if err := b.open().Discard(t.Context(), idAt(9)); err != nil {
		t.Fatal(err)
	}
	b.must(t, http.MethodPut, "/_snapshot/"+b.cfg.Repository, `{"type":"fs","settings":{"location":"`+b.store.Settings["location"]+`"}}`)
	_, a = b.capture(t, idAt(10))
	b.keep(t, idAt(10), a)
}

// TestBedElasticsearch7 has real authentication.
func TestBedElasticsearch7(t *testing.T) {
	s := searchserver.Start(t, searchserver.Elasticsearch7, true)
	s.AddUser(t, "little", "the other password", "little", `
little:
  cluster: [monitor, create_snapshot]
  indices: [{names: ["*"], privileges: [monitor]}]
`)
	t.Run("whole life", func(t *testing.T) { wholeLife(t, newBench(t, s, "life")) })
	t.Run("under load", func(t *testing.T) { underLoad(t, newBench(t, s, "load")) })
	t.Run("not whole", func(t *testing.T) { notWhole(t, newBench(t, s, "whole")) })
	t.Run("rights", func(t *testing.T) {
		b := newBench(t, s, "rights")
		b.index(t, "rights-search")
		b.fill(t, "rights-search", 0, 100)
		for _, login := range []struct{ user, password string }{{"", ""}, {"elastic", "wrong"}} {
			b.login = loginOf(s.URL, login.user, login.password)
			r, err := b.open().Check(t.Context())
			if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != "search server refuses the credentials" {
				t.Errorf("%v %v", err, r.Findings)
			}
			for _, f := range r.Findings {
				if strings.Contains(f.Error(), "wrong") {
					t.Errorf("it shows the password: %v", f)
				}
			}
		}
		b.login = loginOf(s.URL, "little", "the other password")
		wantProblem(t, b.open().Prepare(t.Context(), idAt(1)), "search server denies an action")
		b.login = loginOf(s.URL, s.User, s.Password)
		if err := b.open().Prepare(t.Context(), idAt(1)); err != nil {
			t.Fatal(err)
		}
		// Once it is registered, little rights do to make a backup, and not to remove it.
		b.login = loginOf(s.URL, "little", "the other password")
		x := b.open()
		if err := errors.Join(x.Prepare(t.Context(), idAt(1)), x.Warm(t.Context())); err != nil {
			t.Fatal(err)
		}
		a, err := x.Capture(t.Context(), idAt(1))
		if err != nil {
			t.Fatal(err)
		}
		b.keep(t, idAt(1), a)
		wantProblem(t, b.open().Delete(t.Context(), idAt(1)), "search server denies an action")
		if r, err := b.open().Check(t.Context()); err != nil || r.Failed() || len(r.Findings) != 1 || r.Findings[0].Summary != "snapshot repository is not proven" {
			t.Errorf("%v %v", err, r.Findings)
		}
	})
}

func TestBedOpenSearch3(t *testing.T) {
	s := searchserver.Start(t, searchserver.OpenSearch3, false)
	t.Run("whole life", func(t *testing.T) { wholeLife(t, newBench(t, s, "life")) })
	t.Run("throttled", func(t *testing.T) { throttled(t, newBench(t, s, "throttled")) })
	t.Run("under load", func(t *testing.T) { underLoad(t, newBench(t, s, "load")) })
	t.Run("not whole", func(t *testing.T) { notWhole(t, newBench(t, s, "whole")) })
}

// bucketOf makes a bucket of the stand-in, and a bench that keeps snapshots in it.
func bucketOf(t *testing.T, s *searchserver.Server) *bench {
	t.Helper()
	dir := filepath.Join(s.Snapshots, "bucket-snapshots")
	if err := errors.Join(os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, s, "bucket")
	b.store.Type, b.store.Settings = "s3", map[string]string{"bucket": "snapshots", "region": "eu-central-1", "base_path": "bitbucket/prod"}
	return b
}
