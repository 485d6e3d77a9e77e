package tree

import (
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/providertest"
)

// TestDamageOfWhatIsPicked: a file that is not what it was is not brought back, and no
// other file is read.
func TestDamageOfWhatIsPicked(t *testing.T) {
	tree, destination := disk(t, "xfs")
	a := open(t, destination, nil)
	stores(t, a, manifest(map[string]string{artifact: tree}))
	kept := filepath.Join(destination, string(id), artifact, "script")
	info, err := os.Stat(kept)
	must(t, err)
	must(t, os.WriteFile(kept, []byte("#!/bin/no\n"), 0o600), os.Chmod(kept, info.Mode()), os.Chtimes(kept, info.ModTime(), info.ModTime()))
	parent := t.TempDir()
	err = a.FetchPaths(t.Context(), id, artifact, filepath.Join(parent, "to"), providers.Selection{"script"})
	if err == nil || problem.Remedy(err) == "" {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	to := filepath.Join(parent, "other")
	must(t, a.FetchPaths(t.Context(), id, artifact, to, providers.Selection{"a.txt"}))
	providertest.SameTrees(t, map[string]string{"a.txt": providertest.Tree(t, tree)["a.txt"]}, providertest.Tree(t, to), func(rel string) bool { return rel == "." })
}
