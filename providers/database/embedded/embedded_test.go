package embedded

import (
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/problem"
	"bkp/providers"
)

const id = providers.BackupID("prod-20261122T214431Z")

func open(t *testing.T, home string) providers.Strategy {
	t.Helper()
	d := Definition()
	s, err := providers.Databases.Open(d, d.NewConfig(), providers.Env{
		Address: "database.embedded.main", Instance: providers.Instance{Name: "prod", Home: home, HomeAddress: "home.mirror.main", EmbeddedDatabase: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStrategy(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		summary string // of what is wrong, "" for nothing
	}{
		"node home":   {"data/db.mv.db", ""},
		"shared home": {"shared/data/db.mv.db", ""},
		"elsewhere":   {"shared/db.mv.db", noFiles},
		"other file":  {"data/dbx", noFiles},
	} {
		t.Run(name, func(t *testing.T) {
			home := filepath.Join(t.TempDir(), "[home]")
			path := filepath.Join(home, filepath.FromSlash(c.file))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, home)
			r, err := s.Check(t.Context())
			if err != nil || r.Failed() != (c.summary != "") {
				t.Errorf("check: %v %v", r.Findings, err)
			}
			a, err := s.Capture(t.Context(), id)
			if (err != nil) != (c.summary != "") {
				t.Errorf("capture: %v", err)
			}
			if err == nil && (a.Life != providers.Contained || a.Dir() != "" || a.PointInTime.IsZero()) {
				t.Errorf("artifact %+v", a)
			}
			err = back(t, s).Restore(t.Context(), providers.Artifact{Life: providers.Contained})
			if (err != nil) != (c.summary != "") || err != nil && problem.Remedy(err) == "" {
				t.Errorf("restore: %v", err)
			}
		})
	}
}

func TestWithoutHome(t *testing.T) {
	r, err := open(t, "").Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != noHome {
		t.Errorf("%v %v", r.Findings, err)
	}
}

func TestRestoreOfAnotherStrategy(t *testing.T) {
	s := open(t, t.TempDir())
	a := providers.Artifact{Address: "database.postgresql.main", Strategy: `database "postgresql"`}
	r, err := back(t, s).Check(t.Context(), a)
	if err != nil || !r.Failed() {
		t.Errorf("check: %v %v", r.Findings, err)
	}
	if back(t, s).Restore(t.Context(), a) == nil {
		t.Error("a dump passes for an embedded database")
	}
}

// back is the way back to where the configuration has the state.
func back(t *testing.T, s providers.Strategy) providers.Restorer {
	t.Helper()
	r, err := s.Restorer("")
	if err != nil {
		t.Fatal(err)
	}
	return r
}
