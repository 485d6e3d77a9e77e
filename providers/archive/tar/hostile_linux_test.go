package tar

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bkp/providers"
)

// TestFetchLeavesNothingOfWhatChanged: what has another size is found before anything
// is written, and what has other bytes once it was read.
func TestFetchLeavesNothingOfWhatChanged(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "file"), strings.Repeat("content", chunkSize))
	for name, c := range map[string]struct {
		change func(good []byte) []byte
		begins bool
		want   string
	}{
		"longer":  {func(good []byte) []byte { return append(good, 0) }, false, "it was written with"},
		"shorter": {func(good []byte) []byte { return good[:len(good)-1] }, false, "it was written with"},
		"gone":    {nil, false, "is missing"},
		"a byte":  {func(good []byte) []byte { good[len(good)/2]++; return good }, true, "it was written with"},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, t.TempDir(), func(c *Config) { c.Compression = "none" })
			store(t, a, map[string]string{artifact: tree})
			object := partPath(t, a, artifact)
			good, err := os.ReadFile(object)
			must(t, err, os.Remove(object))
			if c.change != nil {
				must(t, os.WriteFile(object, c.change(good), 0o600))
			}
			begun, target := false, t.TempDir()
			a.env.OnProgress = func(providers.Progress) { begun = true }
			if _, err := a.Fetch(t.Context(), id, into(target)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if begun != c.begins {
				t.Errorf("it began to unpack: %t", begun)
			}
			if left, err := os.ReadDir(target); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

func TestFetchRefusesASymbolicLink(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "file"), "content")
	a := open(t, t.TempDir(), nil)
	store(t, a, map[string]string{"home.mirror.shared": tree})
	parent, outside := t.TempDir(), t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(parent, "home.mirror.shared")))
	if _, err := a.Fetch(t.Context(), id, into(parent)); err == nil || !strings.Contains(err.Error(), "folder is a symbolic link") {
		t.Errorf("got %v", err)
	}
	if got, _ := os.ReadDir(outside); len(got) > 0 {
		t.Errorf("written outside: %v", got)
	}
}

// Reading a FIFO would wait for ever.
func TestAFifoAmongTheArchivesHoldsUpNothing(t *testing.T) {
	a := open(t, t.TempDir(), nil)
	must(t, os.Mkdir(filepath.Join(a.cfg.Destination, string(id)), 0o700), exec.Command("mkfifo", manifestPath(a, id)).Run())
	list, findings, err := a.List(t.Context())
	if err != nil || len(list) != 0 || len(findings) != 1 || findings[0].Summary != "manifest cannot be read" {
		t.Errorf("%v %v %v", list, findings, err)
	}
}

func TestAManifestWithoutAnEndIsNotRead(t *testing.T) {
	a := open(t, t.TempDir(), nil)
	write(t, manifestPath(a, id), "")
	f, err := os.Create(manifestPath(a, id))
	must(t, err, f.Truncate(1<<40), f.Close())
	if _, findings, err := a.List(t.Context()); err != nil || len(findings) != 1 || !strings.Contains(findings[0].Detail, "more than") {
		t.Errorf("%v %v", findings, err)
	}
}

// An abandoned restore leaves nothing, whatever the names and modes.
func TestAbandonRemovesReadOnlyFoldersOfAnyName(t *testing.T) {
	dir := t.TempDir()
	top := filepath.Join(dir, "top")
	folder := filepath.Join(top, "not \xff utf-8", "inside")
	must(t, os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, "file"), nil, 0o600), os.Chmod(folder, 0o500), os.Chmod(filepath.Dir(folder), 0o500))
	root, err := os.OpenRoot(top)
	must(t, err)
	u := &unpacking{started: []*tree{{top: root}}, made: []string{top}}
	must(t, u.abandon())
	if got, _ := os.ReadDir(dir); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}
