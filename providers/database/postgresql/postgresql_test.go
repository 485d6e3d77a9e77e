package postgresql

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bkp/internal/pgserver"
	"bkp/internal/problem"
	"bkp/providers"
)

// backup prepares, captures and finishes; between the latter two it does what
// users do meanwhile.
func backup(t *testing.T, s *strategy, meanwhile func()) providers.Artifact {
	t.Helper()
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Second)
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if a.PointInTime.Before(before) || a.PointInTime.After(time.Now().Add(time.Second)) || a.Ref[refSnapshot] == "" {
		t.Errorf("artifact %+v", a)
	}
	if meanwhile != nil {
		meanwhile()
	}
	a, err = s.Finish(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestDumpHoldsTheSnapshotInstant(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, oddName)
	s := newTest(t, server, oddName, asOddRole)
	a := backup(t, s, func() {
		for _, sql := range []string{
			"INSERT INTO push (commit) VALUES ('later')", "DELETE FROM push WHERE id <= 10",
			"UPDATE push SET commit = 'changed' WHERE id = 20", `INSERT INTO "Odd schema"."t able" VALUES ('later')`,
		} {
			if err := server.Exec(t.Context(), oddName, sql); err != nil {
				t.Fatal(err)
			}
		}
	})
	if a.Dir() == "" || a.Ref != nil || a.Facts[factServerVersion] == "" {
		t.Fatalf("artifact %+v", a)
	}
	other := "restored = " + oddName
	t.Cleanup(func() { dropDatabase(t, server, other) })
	target, err := s.Restorer(other)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := target.Check(t.Context(), a); err != nil || len(r.Findings) > 0 {
		t.Fatalf("check of the restore: %v %v", r.Findings, err)
	}
	if err := target.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	const sum = "SELECT count(*) || ' ' || md5(string_agg(commit, ',' ORDER BY id)) FROM push"
	want := ask(t, server, "postgres", "SELECT '1000 ' || md5(string_agg(md5(n::text), ',' ORDER BY n)) FROM generate_series(1, 1000) n")
	if got := ask(t, server, other, sum); got != want {
		t.Errorf("restored %s, want %s", got, want)
	}
	if got := ask(t, server, other, "SELECT tableowner FROM pg_tables WHERE tablename = 'push'"); got != oddRole {
		t.Errorf("restored table belongs to %q", got)
	}
	if got := ask(t, server, other, `SELECT count(*) || '' FROM "Odd schema"."t able"`); got != "0" {
		t.Errorf("restored %s rows written after the instant", got)
	}
	if got := ask(t, server, other, "SELECT convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata"); got != "large" {
		t.Errorf("restored large object %q", got)
	}
	leftovers(t, s, string(id))
	if err := s.Discard(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	leftovers(t, s)
}

// leftovers compares what is in the work folder.
func leftovers(t *testing.T, s *strategy, want ...string) {
	t.Helper()
	entries, _ := os.ReadDir(s.env.WorkDir)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("work folder holds %q, want %q", got, want)
	}
}

func TestFinishRemovesEarlierDumps(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "earlier")
	s := newTest(t, server, "earlier", nil)
	for _, name := range []string{"prod-20261121T000000Z", "prod-20261120T000000Z.partial", "kept"} {
		if err := os.MkdirAll(filepath.Join(s.env.WorkDir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	backup(t, s, nil)
	leftovers(t, s, "kept", string(id))
}

func TestCaptureWithoutPrepareAndAfterLostConnection(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "lost")
	s := newTest(t, server, "lost", nil)
	if _, err := s.Capture(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := server.Exec(t.Context(), "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'lost'"); err != nil {
		t.Fatal(err)
	}
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Finish(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

// TestWarmOpensALostConnectionAgain: what was lost during the live pass is recovered before the lock, or ends the run there.
func TestWarmOpensALostConnectionAgain(t *testing.T) {
	server, err := pgserver.Start(t.Context(), filepath.Join(t.TempDir(), "pg"))
	needServer(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	if err := server.Exec(t.Context(), "postgres", "CREATE DATABASE idle"); err != nil {
		t.Fatal(err)
	}
	s := newTest(t, server, "idle", nil)
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	prepared := s.held
	if err := s.Warm(t.Context()); err != nil || s.held != prepared {
		t.Errorf("a good connection was not kept: %v", err)
	}
	if err := server.Exec(t.Context(), "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'idle'"); err != nil {
		t.Fatal(err)
	}
	if err := s.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.held == prepared || !s.held.answers(t.Context(), time.Minute) {
		t.Error("the lost connection is still held")
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, s.Warm(t.Context()), unreachable)
	if s.held != nil {
		t.Error("a lost connection is held")
	}
}

func TestReleaseEndsTheSnapshot(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "released")
	s := newTest(t, server, "released", nil)
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.Finish(t.Context(), a)
	wantProblem(t, err, snapshotLost)
}

func wantProblem(t *testing.T, err error, summary string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), summary) || problem.Remedy(err) == "" {
		t.Errorf("got %v with remedy %q, want %s", err, problem.Remedy(err), summary)
	}
}

func TestServerStopsBetweenCaptureAndFinish(t *testing.T) {
	server, err := pgserver.Start(t.Context(), filepath.Join(t.TempDir(), "pg"))
	needServer(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	s := newTest(t, server, "postgres", nil)
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err = s.Finish(t.Context(), a)
	wantProblem(t, err, snapshotLost)
	leftovers(t, s)
}

func TestNoSecretInArgumentsOrEnvironment(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "secrets")
	bin := fakeBin(t, "99.0 real")
	s := newTest(t, server, "secrets", func(c *Config) { asOddRole(c); c.BinDir = bin })
	t.Setenv("BITBUCKET_BACKUP_PASSWORD", password)
	a := backup(t, s, nil)
	other := "secrets restored"
	t.Cleanup(func() { dropDatabase(t, server, other) })
	check := func() {
		t.Helper()
		record, err := os.ReadFile(filepath.Join(bin, "record"))
		if err != nil {
			t.Fatal(err)
		}
		called, passfile, _ := strings.Cut(string(record), "\npassfile ")
		if strings.Contains(called, password) || strings.Contains(called, "wörd") {
			t.Errorf("the password is in %q", called)
		}
		if want := `-rw------- *:*:*:*:p\:a\\ss 'wörd"` + "\n"; passfile != want {
			t.Errorf("password file %q, want %q", passfile, want)
		}
	}
	check()
	target, err := s.Restorer(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	check()
	leftovers(t, s, string(id))
}

func TestFailedDumpLeavesNothing(t *testing.T) {
	server := sharedServer(t)
	s := newTest(t, server, "postgres", func(c *Config) { c.BinDir = fakeBin(t, "99.0 fail") })
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Finish(t.Context(), a)
	wantProblem(t, err, dumpFailed)
	leftovers(t, s)
}

func TestCancelledDump(t *testing.T) {
	server := sharedServer(t)
	s := newTest(t, server, "postgres", nil)
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Finish(ctx, a); err == nil {
		t.Error("no error")
	}
	if err := s.Discard(t.Context(), id); err != nil {
		t.Error(err)
	}
	leftovers(t, s)
}
