//go:build unix

package stage_test

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"bkp/internal/engine/stage"
)

// TestFoldersAboveAreForOthersToEnter, whatever the umask is, and what was left of the
// stage's name is gone.
func TestFoldersAboveAreForOthersToEnter(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b", "stage")
	if err := os.MkdirAll(filepath.Join(top, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := stage.Make(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "left"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made, err := stage.Make(filepath.Join(top, "c", "d", "stage"), 0o755)
	if want := []string{filepath.Join(top, "c"), filepath.Join(top, "c", "d")}; err != nil || !slices.Equal(made, want) {
		t.Errorf("made %q, %v", made, err)
	}
	for path, want := range map[string]os.FileMode{"a": 0o700, "a/b": 0o755, "a/b/stage": 0o700, "c": 0o755, "c/d": 0o755} {
		if info, err := os.Stat(filepath.Join(top, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}
