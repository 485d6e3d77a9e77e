package home_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

func TestMountsInsideTheHomeAreFacts(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "home")
	makeTree(t, src, "shared/", "data/")
	if err := syscall.Mount("none", filepath.Join(src, "shared"), "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no file system can be mounted here, it takes root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(filepath.Join(src, "shared"), 0) })
	makeTree(t, src, "shared/config/a")
	s := openMirror(t, home.Config{Path: src}, filepath.Join(dir, "work"))
	r, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(src, "shared"); r.Facts["mounts"] != want || !strings.HasSuffix(r.Does[providers.Prepare], "across the mounts "+want) {
		t.Errorf("facts %v, does %v", r.Facts, r.Does)
	}
	a, err := s.Capture(t.Context(), providertest.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := files(t, filepath.Join(a.Dir(), "home")); len(got) != 1 {
		t.Errorf("captured %q", got)
	}
}

// TestRestoreToATargetOfItsOwnFileSystem cannot rename into place.
func TestRestoreToATargetOfItsOwnFileSystem(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "home")
	makeTree(t, dir, "home/")
	if err := syscall.Mount("none", target, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no file system can be mounted here, it takes root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(target, 0) })
	c := home.Config{Path: target, DataStores: []string{filepath.Join(dir, "store")}}
	s := openMirror(t, c, filepath.Join(dir, "work"))
	a := artifact(t, back(t, s).Stage(providertest.ID))
	if err := back(t, s).Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := files(t, target); len(got) != 1 {
		t.Errorf("restored %q", got)
	}
}

// TestRestoreThatRunsOutOfSpaceLeavesTheMountEmpty fails half-way.
func TestRestoreThatRunsOutOfSpaceLeavesTheMountEmpty(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "home")
	makeTree(t, dir, "home/")
	if err := syscall.Mount("none", target, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no file system can be mounted here, it takes root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(target, 0) })
	c := home.Config{Path: target, DataStores: []string{filepath.Join(dir, "store")}}
	s := openMirror(t, c, filepath.Join(dir, "work"))
	a := artifact(t, back(t, s).Stage(providertest.ID))
	if err := os.WriteFile(filepath.Join(a.Dir(), "home", "big"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	err := back(t, s).Restore(t.Context(), a)
	if err == nil || problem.Remedy(err) == "" {
		t.Fatalf("got %v", err)
	}
	if left, _ := os.ReadDir(target); len(left) > 0 {
		t.Errorf("left in the target: %v", left)
	}
	if _, err := os.Lstat(c.DataStores[0]); err == nil {
		t.Error("the data store was left behind")
	}
}
