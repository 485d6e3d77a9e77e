package mysql

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// misleading are option files and variables that would lead the tools to
// another server or account, or to a dump without rows.
func misleading(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	const options = "[client]\nhost=192.0.2.1\nport=1\nuser=nobody\npassword=wrong\nsocket=/missing.sock\nprotocol=tcp\n" +
		"[mysqldump]\nno-data\nskip-routines\n[mariadb-dump]\nno-data\n[client_odd]\nuser=nobody\n" +
		"[mysql]\none-database\nskip-column-names\ndatabase=mysql\n"
	for _, name := range []string{".my.cnf", "my.cnf"} { // of HOME, and of MYSQL_HOME
		if err := os.WriteFile(filepath.Join(home, name), []byte(options), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"HOME": home, "MYSQL_HOME": home, "MARIADB_HOME": home, "MYSQL_PWD": "wrong", "MYSQL_HOST": "192.0.2.1", "MYSQL_TCP_PORT": "1",
		"MYSQL_UNIX_PORT": "/missing.sock", "MARIADB_UNIX_PORT": "/missing.sock", "MYSQL_GROUP_SUFFIX": "_odd", "MARIADB_GROUP_SUFFIX": "_odd",
		"MYSQL_TEST_LOGIN_FILE": filepath.Join(home, ".my.cnf"), "LIBMYSQL_PLUGINS": "missing",
	} {
		t.Setenv(name, value)
	}
}

// The tools know the server, the account and the password by the private file
// alone, as the driver does.
func TestToolsHeedNoOptionFilesAndVariables(t *testing.T) {
	server := sharedServer(t)
	run(t, server, "", "CREATE USER nopass@'%'; GRANT ALL ON *.* TO nopass@'%'")
	for name, set := range map[string]func(*Config){
		"by address":       nil,
		"by socket":        func(c *Config) { c.Socket = server.Socket() },
		"without password": func(c *Config) { asUser(c, "nopass", "") },
	} {
		t.Run(name, func(t *testing.T) {
			if name == "by socket" && server.Socket() == "" {
				t.Skip("the folder's name is too long for a socket")
			}
			newDatabase(t, server, "alone")
			s := newTest(t, server, "alone", set)
			misleading(t)
			if r, err := s.Check(t.Context()); err != nil || len(r.Findings) != 0 {
				t.Errorf("check: %v %v", r.Findings, err)
			}
			if got, want := restored(t, server, s, backup(t, s)), rows(t, server, "alone"); got != want {
				t.Errorf("restored rows %s, want %s", got, want)
			}
		})
	}
}

// Not even the version can be asked where an option file is damaged.
func TestADamagedOptionFileIsNotRead(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "damaged")
	s := newTest(t, server, "damaged", nil)
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".my.cnf"), []byte("[client\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	if r, err := s.Check(t.Context()); err != nil || len(r.Findings) != 0 {
		t.Errorf("%v %v", r.Findings, err)
	}
}

// What the tool cannot reach is found by the plan, though the driver can.
func TestCheckLogsInWithTheTool(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "login")
	s := newTest(t, server, "login", fakeDump(t, "refuse"))
	r, err := s.Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != toolRefused || !strings.Contains(r.Findings[0].Detail, "as configured") {
		t.Errorf("%v %v", r.Findings, err)
	}
}

// Not even all privileges on a database let an account read another's routines.
func TestCheckReadsTheRoutines(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "routines")
	run(t, server, "", "CREATE USER noroutines@'%'; GRANT ALL ON routines.* TO noroutines@'%'")
	s := newTest(t, server, "routines", func(c *Config) { asUser(c, "noroutines", "") })
	r, err := s.Check(t.Context())
	f := finding(r, unreadable)
	if err != nil || f == nil || !strings.Contains(f.Detail, "one") {
		t.Fatalf("%v %v", r.Findings, err)
	}
	run(t, server, "", statements(f.Remedy)[0])
	if r, err = s.Check(t.Context()); err != nil || r.Failed() {
		t.Errorf("after the remedy: %v %v", r.Findings, err)
	}
}

// A check reads no rows and waits for nobody who locks a table.
func TestCheckLocksNothing(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "open")
	dir := fakeBin(t, mariadbVersion+"\nreal")
	s := newTest(t, server, "open", func(c *Config) { c.BinDir, c.LockedDump = dir, true })
	if _, err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	record, err := os.ReadFile(filepath.Join(dir, "mariadb-dump.record"))
	if err != nil {
		t.Fatal(err)
	}
	args, _, _ := strings.Cut(string(record), "\nenv ")
	if strings.LastIndex(args, "--skip-lock-tables") < strings.LastIndex(args, "--lock-tables") || !strings.Contains(args, "--no-data") {
		t.Errorf("arguments %q", args)
	}
}
