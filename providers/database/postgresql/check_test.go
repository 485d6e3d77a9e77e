package postgresql

import (
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
)

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
		"tls refused":       {func(c *Config) { c.TLS.Mode = "require" }, noTLS, "require"},
		"missing root":      {func(c *Config) { c.TLS.Mode, c.TLS.CAFile = "verify-full", "/missing/root.crt" }, noTLS, "/missing/root.crt"},
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

func TestCheckFindsSharedSessions(t *testing.T) {
	bouncer := findBouncer(t)
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

// TestAProxyThatRefusesARestoreIsNamed: pgbouncer does not pass on the option with
// which pg_restore writes in spite of default_transaction_read_only.
func TestAProxyThatRefusesARestoreIsNamed(t *testing.T) {
	bouncer := findBouncer(t)
	server := sharedServer(t)
	newDatabase(t, server, "behind")
	a := backup(t, newTest(t, server, "behind", nil), nil)
	for _, statement := range []string{"CREATE DATABASE protected", "ALTER DATABASE protected SET default_transaction_read_only = on"} {
		if err := server.Exec(t.Context(), "postgres", statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { dropDatabase(t, server, "protected") })
	port := startBouncer(t, bouncer, server, "session")
	err := (restorer{strategy: newTest(t, server, "protected", func(c *Config) { c.Port = port })}).Restore(t.Context(), a)
	wantProblem(t, err, restoreFailed)
	if !strings.Contains(problem.Remedy(err), "the PostgreSQL server itself") {
		t.Errorf("remedy %q of %v", problem.Remedy(err), err)
	}
}

func findBouncer(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("/usr/sbin/pgbouncer") // where Debian has it, off the PATH of ordinary users
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("%v; install it with: make deps", err)
	}
	return path
}

func startBouncer(t *testing.T, path string, server *pgserver.Server, mode string, settings ...string) int {
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
			"auth_type = scram-sha-256\nauth_file = %s/users\npool_mode = %s\nignore_startup_parameters = extra_float_digits\n%s\n",
			server.Host(), server.Port(), port, dir, mode, strings.Join(settings, "\n")),
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
	for deadline := time.Now().Add(2 * time.Minute); ; {
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
