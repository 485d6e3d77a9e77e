package treesync_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/lab/loopfs"
	"bkp/providers/home/internal/treesync"
)

// Files that the kernel copies under the lock, cloned or with holes, get their
// digest after it.
func TestWhatTheKernelCopiesHasADigest(t *testing.T) {
	onEachWhole(t, func(t *testing.T, r rig) {
		large := func(n int) {
			for _, name := range []string{"dense", "sparse", "linked"} {
				f, err := os.OpenFile(filepath.Join(r.src, name), os.O_CREATE|os.O_WRONLY, 0o600)
				must(t, err)
				if name == "sparse" {
					must(t, f.Truncate(8<<20))
				}
				_, err = f.WriteAt(bytes.Repeat(fmt.Append(nil, n), 300_000), 0)
				must(t, err)
				must(t, f.Close())
			}
		}
		large(1)
		must(t, os.Link(filepath.Join(r.src, "linked"), filepath.Join(r.src, "other name")))
		for run := range 2 {
			s := treesync.Begin(r.options())
			defer s.Close()
			_, err := s.Full(t.Context(), false)
			must(t, err)
			r.tick(t)
			large(2 + run)
			_, err = s.Full(t.Context(), true)
			must(t, err)
			r.same(t)
			must(t, s.Sum(t.Context()))
			must(t, s.Commit())
			r.recorded(t)
			r.tick(t)
		}
	})
}

// onEachWhole is onEach with the copy on the same file system as the source.
func onEachWhole(t *testing.T, test func(t *testing.T, r rig)) {
	t.Run("here", func(t *testing.T) {
		t.Parallel()
		test(t, newRig(t))
	})
	for _, kind := range loopfs.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := loopfs.Mount(t, kind)
			r := rig{src: filepath.Join(dir, "src"), dst: filepath.Join(dir, "copy"), index: filepath.Join(dir, "index"), alone: true}
			must(t, os.Mkdir(r.src, 0o755))
			test(t, r)
		})
	}
}
