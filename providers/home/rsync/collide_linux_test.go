package rsync

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/filemeta"
	"bkp/internal/lab/loopfs"
	"bkp/providers/home"
	"bkp/providers/home/internal/treesync"
)

// A file of another file system that is named, and has the number of one that is
// not, does not stand for it.
func TestListDistinguishesFileSystems(t *testing.T) {
	source := filepath.Join(loopfs.Mount(t, "ext4"), "home")
	inside, elsewhere := filepath.Join(source, "other"), filepath.Join(loopfs.Mount(t, "ext4"), "home")
	for _, dir := range []string{inside, elsewhere} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	loopfs.Bind(t, elsewhere, inside)
	near, far := loopfs.Collide(t, source, inside)
	m, err := filemeta.Stat(near)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{far: treesync.ErrIncomplete, near: nil} {
		folder, base := "other", filepath.Base(name)
		if name == near {
			folder = ""
		}
		changes := treesync.Changes{Roots: []string{""}, Folders: map[string]map[string]bool{folder: {base: false}}, Files: []filemeta.ID{m.ID}}
		if _, err := list(home.Part{Source: source}, changes); !errors.Is(err, want) {
			t.Errorf("%s is named: %v, want %v", name, err, want)
		}
	}
}
