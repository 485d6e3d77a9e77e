package elasticsearch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// doneShards is how many shards of a snapshot the server has written.
func (b *bench) doneShards(t *testing.T, name string) int {
	t.Helper()
	var answer struct {
		Snapshots []struct {
			Stats struct{ Done int } `json:"shards_stats"`
		}
	}
	if err := json.Unmarshal([]byte(b.must(t, http.MethodGet, "/_snapshot/"+b.cfg.Repository+"/"+name+"/_status", "")), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Snapshots[0].Stats.Done
}

// unwritten are the folders of shards that are not written yet, wherever a server of this
// version has them.
func (b *bench) unwritten(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(b.store.Settings["location"], func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // it is being written
		}
		if _, err := strconv.Atoi(d.Name()); err != nil || !strings.Contains(path, "/indices/") {
			return nil //nolint:nilerr // not the folder of a shard
		}
		if written, err := filepath.Glob(filepath.Join(path, "snap-*")); err != nil || len(written) > 0 {
			return err
		}
		out = append(out, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// spoil takes the folders of shards that are not written yet from the server.
func (b *bench) spoil(t *testing.T) {
	t.Helper()
	shards := b.unwritten(t)
	if len(shards) == 0 {
		t.Fatal("no shard is being written")
	}
	for _, dir := range shards {
		if err := errors.Join(os.Chown(dir, 0, 0), os.Chmod(dir, 0o700)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o777) })
	}
}

// notWhole: what the server could not write of every shard fails the backup, or is left out
// of it. Servers call it PARTIAL even if they could write none.
func notWhole(t *testing.T, b *bench) {
	small, large := b.prefix+"-project", b.prefix+"-search"
	for i, c := range []struct {
		// after is how many shards are written before, in whichever order: one of the large
		// index is left.
		after    int
		required bool
	}{{1, true}, {1, false}, {0, true}} {
		t.Run(fmt.Sprintf("%d written, required %v", c.after, c.required), func(t *testing.T) {
			b := newBench(t, b.server, fmt.Sprintf("%s%d", b.prefix, i))
			small, large := strings.Replace(small, "-", fmt.Sprint(i, "-"), 1), strings.Replace(large, "-", fmt.Sprint(i, "-"), 1)
			if c.after > 0 {
				b.index(t, small)
				b.fill(t, small, 0, 10)
			}
			b.index(t, large)
			b.fill(t, large, 0, 12_000)
			b.slow(t)
			b.cfg.Required = c.required
			id := idAt(20 + i)
			_, a := b.capture(t, id)
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for done := -1; done < c.after || len(b.unwritten(t)) == 0; done = b.doneShards(t, a.Ref["snapshot"]) {
				<-tick.C
			}
			b.spoil(t)
			finished, err := b.open().Finish(t.Context(), a)
			text := b.must(t, http.MethodGet, "/_snapshot/"+b.cfg.Repository+"/"+a.Ref["snapshot"], "")
			if !strings.Contains(text, `"state":"PARTIAL"`) {
				t.Errorf("the server says %s", text)
			}
			if c.required {
				wantProblem(t, err, "snapshot of the search index is not whole")
				t.Log(err)
				return
			}
			if err != nil || finished.Life != providers.External || len(b.warned) != 1 || !strings.Contains(b.warned[0], "left out") {
				t.Errorf("%v %+v %q", err, finished, b.warned)
			}
			t.Log(b.warned)
		})
	}
}

// leftOut: where the index is not required, what keeps it from being captured costs no backup.
func leftOut(t *testing.T, b *bench) {
	b.must(t, http.MethodPut, "/"+b.prefix+"-broken?wait_for_active_shards=0", `{"settings":{"number_of_replicas":0,"index.routing.allocation.require._name":"nowhere"}}`)
	b.cfg.Required = false
	r, err := b.open().Check(t.Context())
	if err != nil || r.Failed() {
		t.Errorf("%v %v", err, r.Findings)
	}
	a, err := b.open().Capture(t.Context(), idAt(30))
	if err != nil || a.Life != providers.External || len(b.warned) != 1 {
		t.Errorf("%v %+v %q", err, a, b.warned)
	}
	b.clear(t, b.cfg.Index)

	// A pattern that matches nothing: the server would call it a success.
	b.cfg.Required = true
	r, err = b.open().Check(t.Context())
	if err != nil || !r.Failed() || r.Findings[0].Summary != "no index to capture" {
		t.Errorf("%v %v", err, r.Findings)
	}
	if _, err := b.open().Capture(t.Context(), idAt(31)); err == nil {
		t.Error("it captured nothing")
	}
}

// rebuild restores nothing, and says what to do.
func rebuild(t *testing.T, b *bench) {
	main := b.prefix + "-search"
	b.index(t, main)
	b.fill(t, main, 0, 100)
	id := idAt(32)
	_, a := b.capture(t, id)
	a = b.keep(t, id, a)
	b.clear(t, b.cfg.Index)
	b.cfg.Rebuild = true
	to, err := b.open().Restorer("")
	if err != nil {
		t.Fatal(err)
	}
	r, err := to.Check(t.Context(), a)
	if err != nil || r.Failed() || len(r.Findings) != 1 || r.Findings[0].Severity != problem.Warning {
		t.Errorf("%v %v", err, r.Findings)
	}
	if err := to.Restore(t.Context(), a); err != nil || len(b.warned) != 1 || !strings.Contains(b.warned[0], b.cfg.Index) {
		t.Errorf("%v %q", err, b.warned)
	}
	if text := b.must(t, http.MethodGet, "/_cat/indices/"+b.cfg.Index+"?format=json", ""); strings.TrimSpace(text) != "[]" {
		t.Errorf("there is %s", text)
	}
}
