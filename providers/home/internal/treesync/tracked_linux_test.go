package treesync_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bkp/providers/home/internal/track"
	"bkp/providers/home/internal/treesync"
	"bkp/providers/providertest"
)

// watched is a rig whose source is watched.
type watched struct {
	rig
	watch  *track.Watch
	series *treesync.Series
}

func watch(t *testing.T, r rig, o treesync.Options) watched {
	t.Helper()
	w, err := track.Start([]string{r.src})
	var unfit *track.UnfitError
	if errors.As(err, &unfit) && os.Geteuid() != 0 {
		t.Skipf("changes cannot be tracked: %v; run as root", err)
	}
	must(t, err)
	s := treesync.Begin(o)
	t.Cleanup(func() { s.Close(); must(t, w.Close()) })
	return watched{r, w, s}
}

// catchUp brings over what changed since the last look, as a run does: by
// walking everything if that is not enough.
func (w watched) catchUp(t *testing.T, strict bool) bool {
	t.Helper()
	changes, files, err := w.watch.Take()
	must(t, err)
	c := treesync.Changes{Roots: []string{""}, Files: files, Folders: map[string]map[string]bool{}}
	for folder, names := range changes[0] {
		c.Folders[folder] = names
	}
	_, err = w.series.Changed(t.Context(), strict, c)
	if errors.Is(err, treesync.ErrIncomplete) {
		_, err = w.series.Full(t.Context(), strict)
		must(t, err)
		return false
	}
	must(t, err)
	return true
}

func TestTrackedPassIsRightAfterAnySequenceOfChanges(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			c := providertest.NewChurn(t, r.src, seed)
			w := watch(t, r, treesync.Options{Source: r.src, Copy: r.dst, Index: r.index, Workers: 4})
			_, err := w.series.Full(t.Context(), false)
			must(t, err)
			tracked := 0
			for pass := range 12 {
				c.Do(t, 1+pass*3)
				if w.catchUp(t, pass%2 == 1) {
					tracked++
				}
				r.same(t)
				if t.Failed() {
					t.Fatalf("pass %d of seed %d", pass, seed)
				}
			}
			if tracked == 0 {
				t.Error("every pass walked everything")
			}
			// The next run believes what this one leaves behind.
			must(t, w.series.Commit())
			c.Do(t, 10)
			r.sync(t, r.options())
			r.same(t)
		})
	}
}

// TestTrackedPassIsRightWhileOthersWrite changes the tree from several
// goroutines while passes run, then stops, as a drained instance does.
func TestTrackedPassIsRightWhileOthersWrite(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			providertest.NewChurn(t, r.src, seed)
			w := watch(t, r, treesync.Options{Source: r.src, Copy: r.dst, Index: r.index, Workers: 4})
			var stop atomic.Bool
			var writers sync.WaitGroup
			var churns []*providertest.Churn
			for n := range uint64(3) {
				churns = append(churns, providertest.NewChurn(t, r.src, 1000*seed+n))
			}
			for _, c := range churns {
				writers.Go(func() {
					for !stop.Load() {
						c.Do(t, 5)
					}
				})
			}
			_, err := w.series.Full(t.Context(), false)
			for range 4 {
				if err == nil {
					w.catchUp(t, false)
				}
			}
			stop.Store(true)
			writers.Wait()
			must(t, err)
			w.catchUp(t, true)
			r.same(t)
		})
	}
}

func TestTrackedPassLooksAtNothingElse(t *testing.T) {
	r := newRig(t)
	for i := range 200 {
		r.write(t, fmt.Sprintf("d%d/f", i), "one")
	}
	var looked atomic.Int64
	o := r.options()
	o.Fault = func(string, string) error { looked.Add(1); return nil }
	w := watch(t, r, o)
	_, err := w.series.Full(t.Context(), false)
	must(t, err)
	r.write(t, "d7/f", "two")
	must(t, os.Chtimes(filepath.Join(r.src, "d8"), time.Time{}, time.Unix(1000, 0)))
	looked.Store(0)
	if !w.catchUp(t, true) {
		t.Fatal("everything was walked")
	}
	if n := looked.Load(); n > 20 {
		t.Errorf("%d operations for a file and a folder", n)
	}
	r.same(t)
}
