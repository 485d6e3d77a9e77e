package postgresql

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// TestRehearsalNeedsAServer reports what is missing before anything is made.
func TestRehearsalNeedsAServer(t *testing.T) {
	s := newStrategy(Config{}, providers.Env{Host: &host.Host{}, Address: "database.postgresql.main"})
	check := func(dir string, facts map[string]string) string {
		t.Helper()
		r, err := s.CheckRehearsal(t.Context(), providers.Artifact{Facts: facts}, providers.Place{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, f := range r.Findings {
			if f.Severity != problem.Error || f.Remedy == "" {
				t.Errorf("%+v", f)
			}
			all = append(all, f.Summary)
		}
		return strings.Join(all, ", ")
	}
	public := filepath.Join(os.TempDir(), "server") // its parents are open to all
	if got := check(public, map[string]string{factServerVersion: "999.1"}); got != serverOld {
		t.Errorf("a backup of a newer server: %q", got)
	}
	// The dump of a newer pg_dump needs that client, and no newer server.
	if got := check(public, map[string]string{factServerVersion: "9.6.1", factClientVersion: "999.1"}); got != toolOld {
		t.Errorf("a dump of a newer client: %q", got)
	}
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	got := check(filepath.Join(closed, "server"), map[string]string{factServerVersion: "9.6.1"})
	if asRoot := os.Geteuid() == 0; strings.Contains(got, "closed to the database server") != asRoot {
		t.Errorf("a folder that the server cannot reach: %q", got)
	}
}
