package postgresql

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/secret"
)

func TestRestoreRefusals(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "origin")
	s := newTest(t, server, "origin", nil)
	a := backup(t, s, nil)
	if err := server.Exec(t.Context(), "postgres", "CREATE ROLE plain LOGIN PASSWORD 'x'"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		set             func(*Config)
		summary, detail string
	}{
		"not empty":      {nil, targetNotEmpty, `table "Odd schema"."t able"`},
		"not reachable":  {func(c *Config) { c.Port = 1 }, unreachable, "127.0.0.1:1"},
		"wrong password": {func(c *Config) { c.Password = secret.New("wrong"); c.Database = "fresh" }, wrongPassword, "bkp"},
		"may not create": {func(c *Config) { c.Username, c.Password, c.Database = "plain", secret.New("x"), "fresh" }, cannotCreate, "plain"},
		"older client":   {func(c *Config) { c.Database = "fresh"; c.BinDir = fakeBin(t, "9.6.24") }, toolOld, "9.6.24"},
	} {
		t.Run(name, func(t *testing.T) {
			target := newTest(t, server, "origin", c.set)
			r, err := (restorer{strategy: target}).Check(t.Context(), a)
			if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != c.summary || !strings.Contains(r.Findings[0].Detail, c.detail) {
				t.Errorf("check: %v %v", r.Findings, err)
			}
			wantProblem(t, (restorer{strategy: target}).Restore(t.Context(), a), c.summary)
		})
	}
	if got := ask(t, server, "origin", "SELECT count(*) || '' FROM push"); got != "1000" {
		t.Errorf("the refused target has %s rows", got)
	}
	if got := ask(t, server, "postgres", "SELECT count(*) || '' FROM pg_database WHERE datname = 'fresh'"); got != "0" {
		t.Error("a refused restore created its database")
	}
}

func TestFailedRestoreLeavesTheTargetAsItWas(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "whole")
	s := newTest(t, server, "whole", nil)
	a := backup(t, s, nil)
	// The data of one table is damaged: the schema is restored before it fails.
	files, err := filepath.Glob(filepath.Join(a.Dir(), "*.dat.gz"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, existed := range []bool{false, true} {
		t.Run(fmt.Sprintf("existed %v", existed), func(t *testing.T) {
			if existed {
				if err := server.CreateDatabase(t.Context(), "target"); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { dropDatabase(t, server, "target") })
			}
			target, err := s.Restorer("target")
			if err != nil {
				t.Fatal(err)
			}
			wantProblem(t, target.Restore(t.Context(), a), restoreFailed)
			there := ask(t, server, "postgres", "SELECT count(*) || '' FROM pg_database WHERE datname = 'target'")
			if want := map[bool]string{false: "0", true: "1"}[existed]; there != want {
				t.Fatalf("%s databases, want %s", there, want)
			}
			if !existed {
				return
			}
			left := ask(t, server, "target", `SELECT (SELECT count(*) FROM pg_class c WHERE `+userSchema+`) || ' ' ||
				(SELECT string_agg(nspname, ',') FROM pg_namespace n WHERE `+userNamespace+`) || ' ' ||
				(SELECT count(*) FROM pg_largeobject_metadata)`)
			if left != "0 public 0" {
				t.Errorf("the target holds %s", left)
			}
		})
	}
}

// TestAToolThatDoesNothingIsNotBelieved: such as a script that cannot start the
// program, and ends without an error.
func TestAToolThatDoesNothingIsNotBelieved(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "source")
	a := backup(t, newTest(t, server, "source", nil), nil)
	s := newTest(t, server, "source", func(c *Config) { c.BinDir = fakeBin(t, "99.0 idle") })
	target, err := s.Restorer("nothing")
	if err != nil {
		t.Fatal(err)
	}
	err = target.Restore(t.Context(), a)
	wantProblem(t, err, restoreFailed)
	wantProblem(t, err, "has 0 of 2 tables")
	if n := ask(t, server, "postgres", "SELECT count(*) || '' FROM pg_database WHERE datname = 'nothing'"); n != "0" {
		t.Error("the database is still there")
	}
	captured, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Finish(t.Context(), captured); err == nil {
		t.Error("a dump that was not made is taken for one")
	}
	leftovers(t, s)
}

func TestRestoreWithoutTheOwners(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "owned")
	s := newTest(t, server, "owned", nil)
	a := backup(t, s, nil)
	a.Facts[factRoles] = `["nobody here"]`
	t.Cleanup(func() { dropDatabase(t, server, "taken over") })
	target, err := s.Restorer("taken over")
	if err != nil {
		t.Fatal(err)
	}
	r, err := target.Check(t.Context(), a)
	if err != nil || r.Failed() || len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Detail, "nobody here") {
		t.Errorf("check: %v %v", r.Findings, err)
	}
	if err := target.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, server, "taken over", "SELECT tableowner FROM pg_tables WHERE tablename = 'push'"); got != server.User() {
		t.Errorf("restored table belongs to %q", got)
	}
}

// pg_restore follows a symbolic link in a dump, and what it reads ends up in
// the database.
func TestRestoreRefusesADumpWithLinks(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "linked")
	s := newTest(t, server, "linked", nil)
	a := backup(t, s, nil)
	files, err := filepath.Glob(filepath.Join(a.Dir(), "*.dat.gz"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.Rename(files[0], kept); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(kept, files[0]); err != nil {
		t.Fatal(err)
	}
	target, err := s.Restorer("target")
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, target.Restore(t.Context(), a), "unexpected file type in the dump")
}
