package treesync_test

import (
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/lab/loopfs"
	"bkp/providers/home/internal/treesync"
)

// Two file systems count their inodes each from the beginning: a file of the one
// that was looked at does not describe the file of that number on the other.
func TestTrackedPassDistinguishesFileSystems(t *testing.T) {
	r := newRig(t)
	r.src = filepath.Join(loopfs.Mount(t, "ext4"), "src")
	inside, elsewhere := filepath.Join(r.src, "other"), filepath.Join(loopfs.Mount(t, "ext4"), "src")
	for _, dir := range []string{inside, elsewhere} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	loopfs.Bind(t, elsewhere, inside)
	near, far := loopfs.Collide(t, r.src, inside)
	outside := r.src + "-outside"
	must(t, os.Mkdir(outside, 0o755))

	w := watch(t, r, treesync.Options{Source: r.src, Copy: r.dst, Index: r.index, Workers: 4})
	_, err := w.series.Full(t.Context(), false)
	must(t, err)
	// Under a name outside of the home, the kernel names the file, and no folder
	// in the home.
	must(t, os.Link(near, filepath.Join(outside, "name")))
	must(t, os.WriteFile(filepath.Join(outside, "name"), []byte("changed"), 0o600))
	must(t, os.WriteFile(far, []byte("changed, too"), 0o600))
	w.catchUp(t, true)
	for _, at := range []string{near, far} {
		rel, err := filepath.Rel(r.src, at)
		must(t, err)
		want, err := os.ReadFile(at)
		must(t, err)
		got, err := os.ReadFile(filepath.Join(r.dst, rel))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is %q in the copy, %q in the home, %v", rel, got, want, err)
		}
	}
}
