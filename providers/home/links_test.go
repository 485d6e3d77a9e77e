package home_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
)

// A link is copied as a link: what Bitbucket keeps behind it would be in no
// backup, and nobody would notice before the restore.
func TestCheckRefusesStateBehindASymbolicLink(t *testing.T) {
	for name, c := range map[string]struct {
		link, to string
		refused  bool
	}{
		"shared elsewhere":       {"shared", "../elsewhere", true},
		"repositories elsewhere": {"shared/data/repositories", "../../../elsewhere", true},
		"dangling":               {"shared", "../nowhere", true},
		"inside the home":        {"shared/data", "../real", false},
		"something else":         {"shared/notes", "../../elsewhere", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			root := filepath.Join(dir, "home")
			for _, d := range []string{filepath.Join(dir, "elsewhere"), filepath.Join(root, "real"), filepath.Dir(filepath.Join(root, c.link))} {
				if err := os.MkdirAll(d, 0o750); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(c.to, filepath.Join(root, c.link)); err != nil {
				t.Skipf("no symbolic links here: %v", err)
			}
			b := home.Base{Config: home.Config{Path: root}, Env: providers.Env{
				Address: "home.mirror.x", WorkDir: filepath.Join(dir, "work"), Host: &host.Host{}, Parallelism: 2,
			}}
			r, err := b.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			refused := false
			for _, f := range r.Findings {
				refused = refused || f.Severity == problem.Error && strings.Contains(f.Detail, c.link) && f.Remedy != ""
			}
			if refused != c.refused {
				t.Errorf("findings: %v", r.Findings)
			}
		})
	}
}
