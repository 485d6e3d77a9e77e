package reflink_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/lab/loopfs"
	"bkp/internal/reflink"
)

func TestFileSystems(t *testing.T) {
	for kind, can := range map[string]bool{"xfs": true, "btrfs": true, "ext4": false} {
		t.Run(kind, func(t *testing.T) {
			dir := loopfs.Mount(t, kind)
			holds(t, reflink.Between(dir, dir), can)
			holds(t, reflink.Between(dir, t.TempDir()), false)
			if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 1 { // ext4 has lost+found
				t.Errorf("left: %v, %v", left, err)
			}
			holds(t, clone(t, dir), can)
		})
	}
}

func holds(t *testing.T, err error, can bool) {
	t.Helper()
	if can && err != nil || !can && !errors.Is(err, reflink.ErrImpossible) {
		t.Errorf("got %v, can share: %v", err, can)
	}
}

// clone sees that what is written to the one file later does not reach the other.
func clone(t *testing.T, dir string) error {
	t.Helper()
	src, err := os.Create(filepath.Join(dir, "src"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	dst, err := os.Create(filepath.Join(dir, "dst"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dst.Close() }()
	if _, err := src.WriteString("before"); err != nil {
		t.Fatal(err)
	}
	if err := reflink.Clone(dst, src); err != nil {
		return err
	}
	if _, err := src.WriteAt([]byte("after!"), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(dst.Name()); err != nil || string(got) != "before" {
		t.Errorf("the clone holds %q, %v", got, err)
	}
	return nil
}

func TestAFolderThatIsNotThere(t *testing.T) {
	if err := reflink.Between(filepath.Join(t.TempDir(), "no"), t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
