package postgresql

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/problem"
)

// TestDDLRightAfterTheUnlockIsNotABackup: what pg_dump would read then is not
// what the tables held at the lock, and it would not say so.
func TestDDLRightAfterTheUnlockIsNotABackup(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "altered")
	exec := func(sql string) {
		t.Helper()
		if err := server.Exec(t.Context(), "altered", sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE a (n int); CREATE TABLE b (n int REFERENCES push(id), v text)")
	for _, sql := range []string{
		"TRUNCATE push CASCADE",
		"ALTER TABLE a ALTER COLUMN n TYPE text",
		"ALTER TABLE b DROP COLUMN v; ALTER TABLE b ADD COLUMN v text",
		"ALTER TABLE a RENAME TO c; ALTER TABLE b RENAME TO a; ALTER TABLE c RENAME TO b",
	} {
		s := newTest(t, server, "altered", nil)
		a, err := s.Capture(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		exec(sql)
		_, err = s.Finish(t.Context(), a)
		wantProblem(t, err, tablesChanged)
		leftovers(t, s)
	}
	s := newTest(t, server, "altered", nil)
	backup(t, s, func() {
		exec("CREATE TABLE later (n int); TRUNCATE later; CREATE INDEX ON push (commit); INSERT INTO a VALUES (NULL)")
	})
}

// TestDDLThatWaitsForTheDumpIsNoFailure: what waits for pg_dump's locks runs
// once it ends.
func TestDDLThatWaitsForTheDumpIsNoFailure(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "waited")
	s := newTest(t, server, "waited", nil)
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	was, err := readLayout(t.Context(), s.holding().conn)
	if err != nil {
		t.Fatal(err)
	}
	folder, done := t.TempDir(), make(chan struct{})
	if err := os.WriteFile(filepath.Join(folder, "1.dat.gz"), nil, 0o600); err != nil { // pg_dump has begun, and has not ended
		t.Fatal(err)
	}
	if err := s.checkLayout(t.Context(), was, folder, done); err != nil {
		t.Errorf("tables that are as they were: %v", err)
	}
	if _, err := s.Finish(t.Context(), a); err != nil {
		t.Error(err)
	}
}

func TestCheckCountsTheLocks(t *testing.T) {
	server := ownServer(t)
	for _, setting := range []string{"max_locks_per_transaction = 10", "max_connections = 20"} {
		if err := server.Exec(t.Context(), "postgres", "ALTER SYSTEM SET "+setting); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tables   string
		severity problem.Severity
	}{{"1 .. 100", ""}, {"101 .. 150", problem.Warning}, {"151 .. 201", problem.Error}} {
		sql := "DO $$ BEGIN FOR n IN " + c.tables + " LOOP EXECUTE format('CREATE TABLE t%s (n int)', n); IF n % 10 = 0 THEN COMMIT; END IF; END LOOP; END $$"
		if err := server.Exec(t.Context(), "postgres", sql); err != nil {
			t.Fatal(err)
		}
		r, err := newTest(t, server, "postgres", nil).Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got problem.Severity
		for _, f := range r.Findings {
			if f.Summary == tooManyTables && strings.Contains(f.Remedy, "max_locks_per_transaction = ") {
				got = f.Severity
			}
		}
		if got != c.severity {
			t.Errorf("%s tables: %q, want %q", c.tables, got, c.severity)
		}
	}
}
