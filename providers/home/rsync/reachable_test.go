package rsync

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestArgumentsBelowWhatIsNoFolderAnyMoreAreLeftOut: a folder became a file after
// its entries were listed, and another is gone.
func TestArgumentsBelowWhatIsNoFolderAnyMoreAreLeftOut(t *testing.T) {
	source := t.TempDir()
	for _, dir := range []string{"a/b", "c"} {
		if err := os.MkdirAll(filepath.Join(source, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(source, "a", "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := reachable(source, []string{"top", "a/b/x", "a/file", "a/file/x", "a/file/deep/er", "gone/x", "c/", "./c/y"})
	if want := []string{"top", "a/b/x", "a/file", "gone/x", "c/", "./c/y"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}
