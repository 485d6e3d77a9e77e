//go:build unix

package treesync_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bkp/providers/home/internal/treesync"
)

func (r rig) move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// failAt lets one operation on one path fail.
func failAt(op, path string) func(string, string) error {
	return func(o, p string) error {
		if o == op && p == path {
			return fmt.Errorf("%w: %s %q", errInjected, o, p)
		}
		return nil
	}
}

func leaveOut(folder, entry string) treesync.Exclude {
	return func(rel string) func(string, bool) bool {
		if rel != folder {
			return nil
		}
		return func(name string, _ bool) bool { return name == entry }
	}
}

// A pass removes a folder and fails right after it, in the folder above. The
// folder then comes back as it was, with all its old ctimes: what the old index
// says of it must not be believed any more.
func TestFolderThatWasAwayDuringAFailedPassIsCopiedAgain(t *testing.T) {
	r := newRig(t)
	r.write(t, "repositories/1/objects/pack", "one")
	r.write(t, "repositories/2/HEAD", "two")
	r.sync(t, r.options())
	away := filepath.Join(filepath.Dir(r.src), "away")
	r.move(t, filepath.Join(r.src, "repositories", "1"), away)
	o := r.options()
	o.Fault = failAt("finish folder", "repositories")
	if _, err := treesync.Sync(t.Context(), o); !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	r.move(t, away, filepath.Join(r.src, "repositories", "1"))
	r.sync(t, r.options())
	r.same(t)
}

// The same without any change of the source: a repository is left out for one
// pass, which fails, and is then wanted again. Its stat does not show it.
func TestFolderLeftOutDuringAFailedPassIsCopiedAgain(t *testing.T) {
	r := newRig(t)
	r.write(t, "repositories/1/objects/pack", "one")
	r.write(t, "repositories/2/HEAD", "two")
	r.sync(t, r.options())
	o := r.options()
	o.Exclude = leaveOut("repositories", "1")
	o.Fault = failAt("finish folder", "repositories")
	if _, err := treesync.Sync(t.Context(), o); !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	r.sync(t, r.options())
	r.same(t)
}

// A removal that fails half-way leaves a folder of the copy with a part of what
// the index of the pass before says.
func TestHalfRemovedFolderIsCompared(t *testing.T) {
	r := newRig(t)
	r.write(t, "repositories/1/objects/pack", "one")
	r.sync(t, r.options())
	o := r.options()
	o.Exclude = leaveOut("repositories", "1")
	o.Fault = func(op, path string) error {
		if op != "remove" {
			return nil
		}
		if err := os.Remove(filepath.Join(r.dst, path, "objects", "pack")); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s", errInjected, op)
	}
	if _, err := treesync.Sync(t.Context(), o); !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	r.sync(t, r.options())
	r.same(t)
}
