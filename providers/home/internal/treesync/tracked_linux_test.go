package treesync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/lab/loopfs"
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

// catchUp copies what changed since the last look, as a run does: by
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

// onEach runs the test on the file system of the temporary folder, and on those
// that Bitbucket's homes are on.
func onEach(t *testing.T, test func(t *testing.T, r rig)) {
	t.Run("here", func(t *testing.T) {
		t.Parallel()
		test(t, newRig(t))
	})
	for _, kind := range loopfs.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.src, r.alone = filepath.Join(loopfs.Mount(t, kind), "src"), true
			must(t, os.Mkdir(r.src, 0o755))
			test(t, r)
		})
	}
}

// rounds is how often a random test is repeated; make torture asks for more.
func rounds(few uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv("BKP_TORTURE"), 10, 32); err == nil {
		return few * n
	}
	return few
}

func TestTrackedPassIsRightAfterAnySequenceOfChanges(t *testing.T) {
	onEach(t, func(t *testing.T, r rig) {
		root := r.src
		for seed := range rounds(3) {
			r.src = filepath.Join(root, fmt.Sprint(seed))
			r.dst, r.index = r.dst+"x", r.index+"x"
			must(t, os.Mkdir(r.src, 0o755))
			c := providertest.NewChurn(t, r.src, seed)
			w := watch(t, r, treesync.Options{Source: r.src, Copy: r.dst, Index: r.index, Workers: 4})
			_, err := w.series.Full(t.Context(), false)
			must(t, err)
			tracked := 0
			for pass := range 8 {
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
		}
	})
}

func TestTrackedFolderMayLeaveAndComeBack(t *testing.T) {
	onEach(t, func(t *testing.T, r rig) {
		w := watch(t, r, treesync.Options{Source: r.src, Copy: r.dst, Index: r.index, Workers: 4})
		_, err := w.series.Full(t.Context(), false)
		must(t, err)
		for step := range 8 {
			wander(t, r.src, step)
			// Others may get the inode of a file that was removed, and change it.
			if !w.catchUp(t, true) && r.alone {
				t.Error("everything was walked")
			}
			r.same(t)
		}
	})
}

// wander takes a folder out of the tree, lets it change there while nobody is
// asked, and brings it back.
func wander(t *testing.T, src string, pass int) {
	t.Helper()
	out, home := src+"-out", filepath.Join(src, "wanderer")
	deep := filepath.Join("deep", "deeper")
	switch pass % 4 {
	case 0:
		must(t, os.RemoveAll(home))
		must(t, os.MkdirAll(filepath.Join(home, deep), 0o755))
		must(t, os.WriteFile(filepath.Join(home, deep, "f"), []byte("1"), 0o600))
	case 1:
		must(t, os.WriteFile(filepath.Join(home, deep, "g"), []byte("1"), 0o600))
		must(t, os.Rename(home, out))
		must(t, os.WriteFile(filepath.Join(out, deep, "f"), []byte("22"), 0o600))
	case 2:
		must(t, os.WriteFile(filepath.Join(out, deep, "g"), []byte("333"), 0o600))
		must(t, os.Rename(out, home))
	case 3:
		must(t, os.WriteFile(filepath.Join(home, deep, "f"), []byte("4444"), 0o600))
	}
}

// TestTrackedPassIsRightWhileOthersWrite changes the tree from several
// goroutines and by git while passes run, then stops, as a drained instance
// does.
func TestTrackedPassIsRightWhileOthersWrite(t *testing.T) {
	onEach(t, func(t *testing.T, r rig) {
		root := r.src
		for seed := range rounds(1) {
			r.src = filepath.Join(root, fmt.Sprint(seed))
			r.dst, r.index = r.dst+"x", r.index+"x"
			must(t, os.Mkdir(r.src, 0o755))
			busy(t, r, seed)
		}
	})
}

func busy(t *testing.T, r rig, seed uint64) {
	providertest.NewChurn(t, r.src, seed)
	must(t, os.Mkdir(filepath.Join(r.src, "repository"), 0o755))
	w := watch(t, r, treesync.Options{Source: r.src, Copy: r.dst, Index: r.index, Workers: 4})
	var stop atomic.Bool
	var writers sync.WaitGroup
	churns := []*providertest.Churn{providertest.NewChurn(t, r.src, 1000*seed+1), providertest.NewChurn(t, r.src, 1000*seed+2)}
	for _, c := range churns {
		writers.Go(func() {
			for !stop.Load() {
				c.Do(t, 5)
			}
		})
	}
	writers.Go(func() { useGit(t, filepath.Join(r.src, "repository"), &stop) })
	_, err := w.series.Full(t.Context(), false)
	for range 3 {
		if err == nil {
			w.catchUp(t, false)
		}
	}
	stop.Store(true)
	writers.Wait()
	must(t, err)
	w.catchUp(t, true)
	r.same(t)
	must(t, w.series.Sum(t.Context()))
	must(t, w.series.Commit())
	r.recorded(t)
}

// useGit commits, packs and collects garbage in processes of their own. The
// other writers may take the ground from under its feet at any time.
func useGit(t *testing.T, dir string, stop *atomic.Bool) {
	git := func(args ...string) {
		// It may meet a FIFO in the place of a file, and wait for ever.
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, _ = (&host.Host{}).Run(ctx, host.Command{ // which ends what git has started, too
			Name: "git", Args: append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0"}, args...),
			Env: []string{"GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir)},
		})
	}
	git("init", "-q", ".")
	for n := 0; !stop.Load(); n++ {
		_ = os.WriteFile(filepath.Join(dir, "file"), []byte(strconv.Itoa(n)), 0o600)
		git("add", "file")
		git("commit", "-q", "-m", strconv.Itoa(n))
		if n%5 == 4 {
			git("repack", "-q", "-a", "-d")
			git("gc", "-q", "--prune=now")
		}
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
