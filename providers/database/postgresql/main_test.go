package postgresql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"bkp/internal/host"
	"bkp/internal/pgserver"
	"bkp/internal/secret"
	"bkp/providers"
)

const (
	id       = providers.BackupID("prod-20261122T214431Z")
	oddName  = `bit "bucket" =é\'`
	oddRole  = `o'dd "role": é`
	password = `p:a\ss 'wörd"`
)

// The test binary, under the name of a client tool, is a fake of it.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); name == "pg_dump" || name == "pg_restore" {
		os.Exit(fakeTool(name))
	}
	code := m.Run()
	if err := stopServer(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var shared struct {
	once   sync.Once
	server *pgserver.Server
	dir    string
	err    error
}

// sharedServer is one server for all tests that do not stop it; each has
// databases of its own.
func sharedServer(t *testing.T) *pgserver.Server {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "bkp-test-"); shared.err == nil {
			shared.server, shared.err = pgserver.Start(context.Background(), filepath.Join(shared.dir, "pg"))
		}
		if shared.err == nil {
			shared.err = shared.server.Exec(context.Background(), "postgres",
				"CREATE ROLE "+quoteName(oddRole)+" LOGIN CREATEDB PASSWORD "+quoteLiteral(password))
		}
	})
	needServer(t, shared.err)
	return shared.server
}

func needServer(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, pgserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skipf("%v; install it with: make deps", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func stopServer() error {
	if shared.server == nil {
		return os.RemoveAll(shared.dir)
	}
	return errors.Join(shared.server.Stop(), os.RemoveAll(shared.dir))
}

// quoteName writes an identifier for SQL.
func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }

// newTest returns a strategy for a database of a server, as its superuser.
func newTest(t *testing.T, s *pgserver.Server, database string, set func(*Config)) *strategy {
	t.Helper()
	d := Definition()
	cfg := d.NewConfig().(*Config)
	cfg.Host, cfg.Port, cfg.Database = s.Host(), s.Port(), database
	cfg.Username, cfg.Password, cfg.Jobs = s.User(), secret.New(s.Password()), 2
	if set != nil {
		set(cfg)
	}
	if problems := cfg.ValidateConfig(); len(problems) > 0 {
		t.Fatal(problems)
	}
	made, err := providers.Databases.Open(d, cfg, providers.Env{
		Address: "database.postgresql.main", Host: &host.Host{}, Parallelism: 2,
		WorkDir: filepath.Join(t.TempDir(), "work"),
		Warn:    func(message string) { t.Log("warning:", message) },
	})
	if err != nil {
		t.Fatal(err)
	}
	strategy := made.(*strategy)
	t.Cleanup(func() { _ = strategy.Close() })
	return strategy
}

func asOddRole(c *Config) { c.Username, c.Password = oddRole, secret.New(password) }

// newDatabase creates a database with two tables, one of them with rows.
func newDatabase(t *testing.T, s *pgserver.Server, name string) {
	t.Helper()
	exec := func(database, sql string) {
		if err := s.Exec(t.Context(), database, sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("postgres", "CREATE DATABASE "+quoteName(name)+" OWNER "+quoteName(oddRole))
	t.Cleanup(func() { dropDatabase(t, s, name) })
	exec(name, `SET ROLE `+quoteName(oddRole)+`;
		CREATE TABLE push (id serial PRIMARY KEY, commit text NOT NULL);
		CREATE SCHEMA "Odd schema"; CREATE TABLE "Odd schema"."t able" (x text);
		CREATE TYPE mood AS ENUM ('ok'); CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
		SELECT lo_from_bytea(0, 'large');
		INSERT INTO push (commit) SELECT md5(n::text) FROM generate_series(1, 1000) n`)
}

func dropDatabase(t *testing.T, s *pgserver.Server, name string) {
	t.Helper()
	if err := s.Exec(context.Background(), "postgres", "DROP DATABASE IF EXISTS "+quoteName(name)+" WITH (FORCE)"); err != nil {
		t.Error(err)
	}
}

// ask returns the only value of a query.
func ask(t *testing.T, s *pgserver.Server, database, query string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Database = database
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var text string
	if err := conn.QueryRow(t.Context(), query).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// fakeBin puts fakes of the client tools alone into a folder. They do what
// the file "script" there says.
func fakeBin(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pg_dump", "pg_restore"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Skipf("needs symbolic links: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "script"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fakeTool behaves as the file "script" beside it says: its first word is the
// version to report, its second what to do. It records how it was called, and
// the mode and content of its password file.
func fakeTool(name string) int {
	dir := filepath.Dir(os.Args[0])
	script, err := os.ReadFile(filepath.Join(dir, "script"))
	if err != nil {
		return 99
	}
	version, verb, _ := strings.Cut(string(script), " ")
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Printf("%s (PostgreSQL) %s (Fake %s-1)\n", name, version, version)
		return 0
	}
	record := "argv " + strings.Join(os.Args, "\x00") + "\nenv " + strings.Join(os.Environ(), "\x00")
	if path := os.Getenv("PGPASSFILE"); path != "" {
		info, errStat := os.Stat(path)
		data, errRead := os.ReadFile(path)
		if errors.Join(errStat, errRead) != nil {
			return 98
		}
		record += fmt.Sprintf("\npassfile %v %s", info.Mode(), data)
	}
	if err := os.WriteFile(filepath.Join(dir, "record"), []byte(record), 0o600); err != nil {
		return 97
	}
	if verb == "idle" {
		return 0
	}
	if verb == "newer" && name == "pg_restore" && !slices.Contains(os.Args, "--list") { // as that of 17 and newer, with an older server
		const refused = "pg_restore: error: could not execute query: FEHLER:  nicht erkannter Konfigurationsparameter »transaction_timeout«\n" +
			"Command was: SET transaction_timeout = 0;\n\n"
		fmt.Fprint(os.Stderr, refused)
		if slices.Contains(os.Args, "--exit-on-error") {
			return 1
		}
		_ = runReal(name)
		fmt.Fprint(os.Stderr, refused+"pg_restore: warning: errors ignored on restore: 2\n") // one of a worker
		return 1
	}
	if verb == "real" || verb == "newer" {
		return runReal(name)
	}
	fmt.Fprintln(os.Stderr, name+": error: as configured")
	return 1
}

func runReal(name string) int {
	real, err := exec.LookPath(name)
	if err != nil {
		return 96
	}
	cmd := exec.Command(real, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if cmd.Run() != nil {
		return 1
	}
	return 0
}
