//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/providertest"
)

// A working copy that lost something between two runs gets it back in the next,
// which warns of it.
func TestChangedCopyIsReportedAndRepaired(t *testing.T) {
	dir := t.TempDir()
	home, store := filepath.Join(dir, "home"), filepath.Join(dir, "store")
	for _, at := range []string{filepath.Join(home, "shared/data/repositories/1"), filepath.Join(store, "repositories/2")} {
		if err := os.MkdirAll(at, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(at, "HEAD"), []byte("ref"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var warned []string
	env := providers.Env{
		Address: "home.mirror.x", WorkDir: filepath.Join(dir, "work"), Host: &host.Host{}, Parallelism: 2,
		Warn: func(text string) { warned = append(warned, text) },
	}
	run := func() string {
		s, err := open(home, []string{store}, env)
		if err != nil {
			t.Fatal(err)
		}
		m := s.(*strategy)
		if err := m.Prepare(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		a, err := m.Capture(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		return a.Dir()
	}
	tree := run()
	if len(warned) > 0 {
		t.Errorf("first run: %q", warned)
	}
	for _, rel := range []string{"home/shared/data/repositories/1/HEAD", "stores/0/repositories/2"} {
		if err := os.RemoveAll(filepath.Join(tree, rel)); err != nil {
			t.Fatal(err)
		}
	}
	run()
	if all := strings.Join(warned, "\n"); len(warned) != 2 || !strings.Contains(all, "repositories/1/HEAD") || !strings.Contains(all, "repositories/2") {
		t.Errorf("warnings: %q", warned)
	}
	for part, source := range map[string]string{"home": home, "stores/0": store} {
		providertest.SameTrees(t, providertest.Tree(t, source), providertest.Tree(t, filepath.Join(tree, part)), nil)
	}
	warned = nil
	run()
	if len(warned) > 0 {
		t.Errorf("third run: %q", warned)
	}
}
