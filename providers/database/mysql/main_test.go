package mysql

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
	"time"

	"bkp/internal/host"
	"bkp/internal/mysqlserver"
	"bkp/internal/secret"
	"bkp/providers"
)

const (
	id       = providers.BackupID("prod-20261122T214431Z")
	oddName  = "bit `bucket` =é_"
	oddUser  = "o'dd \"us`er\": #é"
	password = "p:a\\ss 'w\u00f6rd\"`#;\\n\t "
)

// The test binary, under the name of a client tool, is a fake of it.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); name {
	case "mysqldump", "mysql", "mariadb-dump", "mariadb":
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
	server *mysqlserver.Server
	dir    string
	err    error
}

// sharedServer is one server for all tests that do not stop it; each has
// databases of its own.
func sharedServer(t *testing.T) *mysqlserver.Server {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "bkp-test-"); shared.err == nil {
			shared.server, shared.err = mysqlserver.Start(context.Background(), filepath.Join(shared.dir, "my"))
		}
		if shared.err == nil {
			shared.err = shared.server.Exec(context.Background(), "",
				"CREATE USER "+quoteName(oddUser)+"@'%' IDENTIFIED BY "+quoteText(password)+"; GRANT ALL ON *.* TO "+quoteName(oddUser)+"@'%'")
		}
	})
	needServer(t, shared.err)
	return shared.server
}

func needServer(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, mysqlserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
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

func quoteText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// newTest returns a strategy for a database of a server, as its superuser.
func newTest(t *testing.T, s *mysqlserver.Server, database string, set func(*Config)) *strategy {
	t.Helper()
	d := Definition()
	cfg := d.NewConfig().(*Config)
	cfg.Host, cfg.Port, cfg.Database = s.Host(), s.Port(), database
	cfg.Username, cfg.Password = s.User(), secret.New(s.Password())
	if set != nil {
		set(cfg)
	}
	if problems := cfg.ValidateConfig(); len(problems) > 0 {
		t.Fatal(problems)
	}
	made, err := providers.Databases.Open(d, cfg, providers.Env{
		Address: "database.mysql.main", Host: &host.Host{}, Parallelism: 2,
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

func asOddUser(c *Config) { asUser(c, oddUser, password) }

func asUser(c *Config, user, password string) {
	c.Username, c.Password = user, secret.New(password)
}

func run(t *testing.T, s *mysqlserver.Server, database, statements string) {
	t.Helper()
	if err := s.Exec(t.Context(), database, statements); err != nil {
		t.Fatal(err)
	}
}

// counting is a table of the numbers from 1 to n in the column seq, which is at
// most 30,000, for MySQL and MariaDB alike.
func counting(n int) string {
	return fmt.Sprintf(`(WITH RECURSIVE a (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM a WHERE n < 172)
		SELECT 1 + x.n + 173 * y.n AS seq FROM a x JOIN a y ORDER BY seq LIMIT %d) AS counted`, n)
}

// newDatabase creates a database with all that a dump has to carry.
func newDatabase(t *testing.T, s *mysqlserver.Server, name string) {
	t.Helper()
	if err := s.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, s, name) })
	run(t, s, name, "CREATE TABLE push (id bigint AUTO_INCREMENT PRIMARY KEY, commit text NOT NULL, raw blob, at timestamp(6) NOT NULL DEFAULT '2026-11-22 21:44:31.5');"+
		"CREATE TABLE `odd ``parent``` (x int PRIMARY KEY); CREATE TABLE `odd ``child``` (x int, FOREIGN KEY (x) REFERENCES `odd ``parent``` (x));"+
		"CREATE VIEW newest AS SELECT max(id) FROM push;"+
		"INSERT INTO push (commit, raw) SELECT CONCAT('\\\\ \\'\\n\\r\\0 \U0001F600', seq), UNHEX(SHA2(seq, 256)) FROM "+counting(1000))
	// Alone, for MySQL would keep the semicolon that follows as a part of them.
	for _, statement := range []string{
		"/*M! CREATE SEQUENCE counter */ /*!80000 DO 1 */",
		"CREATE TRIGGER stamp BEFORE INSERT ON `odd ``child``` FOR EACH ROW SET NEW.x = NEW.x",
		"CREATE FUNCTION one() RETURNS int DETERMINISTIC RETURN 1", "CREATE PROCEDURE two() SELECT 2",
		"CREATE EVENT three ON SCHEDULE EVERY 1 YEAR DO SET @x = 1",
	} {
		run(t, s, name, statement)
	}
}

// isMariaDB distinguishes MariaDB from MySQL. Only MariaDB reads comments that begin
// with M!, only MySQL those of its versions 5.7 to 9.
func isMariaDB(t *testing.T, s *mysqlserver.Server) bool {
	t.Helper()
	return strings.Contains(ask(t, s, "", "SELECT version()"), "MariaDB")
}

func dropDatabase(t *testing.T, s *mysqlserver.Server, name string) {
	t.Helper()
	if err := s.Exec(context.Background(), "", "DROP DATABASE IF EXISTS "+quoteName(name)); err != nil {
		t.Error(err)
	}
}

// ask returns the only value of a query.
func ask(t *testing.T, s *mysqlserver.Server, database, query string) string {
	t.Helper()
	db, err := s.Open(database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var text string
	if err := db.QueryRowContext(t.Context(), query).Scan(&text); err != nil {
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
	for _, name := range []string{"mysqldump", "mysql", "mariadb-dump", "mariadb"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Skipf("needs symbolic links: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "script"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fakeTool behaves as the file "script" beside it says: its first line is the
// version to report, its second what to do. It records how it was called, and
// the mode and content of its option file.
func fakeTool(name string) int {
	dir := filepath.Dir(os.Args[0])
	script, err := os.ReadFile(filepath.Join(dir, "script"))
	if err != nil {
		return 99
	}
	version, verb, _ := strings.Cut(string(script), "\n")
	if slices.Contains(os.Args, "--version") {
		fmt.Println(version)
		return 0
	}
	record := "argv " + strings.Join(os.Args[1:], "\x00") + "\nenv " + strings.Join(os.Environ(), "\x00")
	if path, ok := strings.CutPrefix(os.Args[1], "--defaults-file="); ok {
		info, errStat := os.Stat(path)
		data, errRead := os.ReadFile(path)
		if errors.Join(errStat, errRead) != nil {
			return 98
		}
		record += fmt.Sprintf("\noptions %v\n%s", info.Mode(), data)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".record"), []byte(record), 0o600); err != nil {
		return 97
	}
	switch verb {
	case "real", "slow", "quiet":
		return runReal(name, verb)
	case "silent":
		return 0
	default:
		fmt.Fprintln(os.Stderr, "-- Connecting to localhost...\n"+name+": Got error: as configured")
		return 2
	}
}

// runReal runs the tool itself: late, or without its error output.
func runReal(name, how string) int {
	real, err := exec.LookPath(name)
	if err != nil {
		return 96
	}
	if how == "slow" {
		time.Sleep(200 * time.Millisecond) // what the tool's start may take
	}
	cmd := exec.Command(real, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if how == "quiet" {
		cmd.Stderr = nil
	}
	if cmd.Run() != nil {
		return 1
	}
	return 0
}
