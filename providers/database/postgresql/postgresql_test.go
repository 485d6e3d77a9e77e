package postgresql

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bkp/internal/pgserver"
	"bkp/internal/problem"
	"bkp/internal/secret"
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
	if a.Tree == "" || a.Ref != nil || a.Facts[factServerVersion] == "" {
		t.Fatalf("artifact %+v", a)
	}
	other := "restored = " + oddName
	t.Cleanup(func() { dropDatabase(t, server, other) })
	target, err := s.Retarget(other)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := target.(*strategy).CheckRestore(t.Context(), a); err != nil || len(r.Findings) > 0 {
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

func TestReleaseEndsTheSnapshot(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "released")
	s := newTest(t, server, "released", nil)
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Release(); err != nil {
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

func TestCheck(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "checked")
	reader := func(name string, grants ...string) func(*Config) {
		sql := "CREATE ROLE " + quoteName(name) + " LOGIN PASSWORD 'x'"
		for _, g := range grants {
			sql += "; GRANT " + g + " TO " + quoteName(name)
		}
		if err := server.Exec(t.Context(), "checked", sql); err != nil {
			t.Fatal(err)
		}
		return func(c *Config) { c.Username, c.Password = name, secret.New("x") }
	}
	for name, c := range map[string]struct {
		set     func(*Config)
		summary string // "" for none
		detail  string
	}{
		"superuser":         {nil, "", ""},
		"owner":             {asOddRole, "", ""},
		"socket":            {func(c *Config) { c.Host = server.SocketDir() }, "", ""},
		"wrong password":    {func(c *Config) { c.Password = secret.New("wrong secret") }, wrongPassword, "bkp"},
		"unknown role":      {func(c *Config) { c.Username = "nobody" }, wrongPassword, "nobody"},
		"missing database":  {func(c *Config) { c.Database = "missing" }, noDatabase, "missing"},
		"nobody listens":    {func(c *Config) { c.Port = 1 }, unreachable, "127.0.0.1:1"},
		"unknown host":      {func(c *Config) { c.Host = "db.invalid" }, unreachable, "db.invalid"},
		"tls refused":       {func(c *Config) { c.SSLMode = "require" }, noTLS, "require"},
		"missing root":      {func(c *Config) { c.SSLMode, c.SSLRootCert = "verify-full", "/missing/root.crt" }, noTLS, "/missing/root.crt"},
		"table not granted": {reader("some", `SELECT ON push`, `SELECT ON push_id_seq`, `USAGE ON SCHEMA "Odd schema"`), unreadableTables, `"Odd schema"."t able"`},
		"schema not granted": {reader("fewer", `SELECT ON push`, `SELECT ON push_id_seq`, `SELECT ON "Odd schema"."t able"`),
			unreadableTables, `"Odd schema"."t able" (schema)`},
		"large object":   {reader("most", `pg_read_all_data`), unreadableTables, "1 of 1 large objects"},
		"missing client": {func(c *Config) { c.BinDir = t.TempDir() }, toolMissing, "pg_dump"},
		"older client":   {func(c *Config) { c.BinDir = fakeBin(t, "9.6.24") }, toolOld, "9.6.24"},
		"broken client":  {func(c *Config) { c.BinDir = fakeBin(t, "unknown") }, toolBroken, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "socket" && server.SocketDir() == "" {
				t.Skip("the folder's name is too long for a socket")
			}
			s := newTest(t, server, "checked", c.set)
			r, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leftovers(t, s)
			if c.summary == "" {
				if len(r.Findings) > 0 || r.Facts["server"] == "" || r.Estimate.Bytes == 0 || len(r.Space) != 1 {
					t.Errorf("%+v", r)
				}
				return
			}
			if len(r.Findings) != 1 {
				t.Fatalf("findings %v", r.Findings)
			}
			f := r.Findings[0]
			if f.Summary != c.summary || !strings.Contains(f.Detail, c.detail) || f.Remedy == "" {
				t.Errorf("got %s: %s (%s)", f.Summary, f.Detail, f.Remedy)
			}
			if strings.Contains(fmt.Sprint(r), "wrong secret") {
				t.Error("the password is shown")
			}
		})
	}
}

func TestCheckFindsRowSecurity(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "rows")
	if err := server.Exec(t.Context(), "rows", `ALTER TABLE push ENABLE ROW LEVEL SECURITY;
		CREATE ROLE "row reader" LOGIN PASSWORD 'x'; SELECT lo_unlink(oid) FROM pg_largeobject_metadata; GRANT pg_read_all_data TO "row reader"`); err != nil {
		t.Fatal(err)
	}
	s := newTest(t, server, "rows", func(c *Config) { c.Username, c.Password = "row reader", secret.New("x") })
	r, err := s.Check(t.Context())
	if err != nil || len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Detail, "push (row security)") {
		t.Errorf("%v %v", r.Findings, err)
	}
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
	target, err := s.Retarget(other)
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
			r, err := target.CheckRestore(t.Context(), a)
			if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != c.summary || !strings.Contains(r.Findings[0].Detail, c.detail) {
				t.Errorf("check: %v %v", r.Findings, err)
			}
			wantProblem(t, target.Restore(t.Context(), a), c.summary)
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
	files, err := filepath.Glob(filepath.Join(a.Tree, "*.dat.gz"))
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
			target, err := s.Retarget("target")
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

func TestRestoreWithoutTheOwners(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "owned")
	s := newTest(t, server, "owned", nil)
	a := backup(t, s, nil)
	a.Facts[factRoles] = `["nobody here"]`
	t.Cleanup(func() { dropDatabase(t, server, "taken over") })
	target, err := s.Retarget("taken over")
	if err != nil {
		t.Fatal(err)
	}
	r, err := target.(*strategy).CheckRestore(t.Context(), a)
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

func TestCheckFindsSharedSessions(t *testing.T) {
	bouncer, err := exec.LookPath("/usr/sbin/pgbouncer") // where Debian has it, off the PATH of ordinary users
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("%v; install it with: make deps", err)
	}
	server := sharedServer(t)
	newDatabase(t, server, "pooled")
	for mode, want := range map[string]int{"transaction": 1, "session": 0} {
		t.Run(mode, func(t *testing.T) {
			port := startBouncer(t, bouncer, server, mode)
			s := newTest(t, server, "pooled", func(c *Config) { c.Port = port })
			r, err := s.Check(t.Context())
			if err != nil || len(r.Findings) != want || want > 0 && r.Findings[0].Summary != throughProxy {
				t.Errorf("%v %v", r.Findings, err)
			}
		})
	}
}

func startBouncer(t *testing.T, path string, server *pgserver.Server, mode string) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bkp-bouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ini := filepath.Join(dir, "pgbouncer.ini")
	for name, text := range map[string]string{
		ini: fmt.Sprintf("[databases]\n* = host=%s port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n"+
			"auth_type = scram-sha-256\nauth_file = %s/users\npool_mode = %s\nignore_startup_parameters = extra_float_digits\n",
			server.Host(), server.Port(), port, dir, mode),
		filepath.Join(dir, "users"): strconv.Quote(server.User()) + " " + strconv.Quote(server.Password()) + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{ini}
	if os.Geteuid() == 0 {
		args = append(args, "-u", "nobody")
	}
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = conn.Close()
			return port
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
