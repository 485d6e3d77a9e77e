package mysql

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/database"
)

func TestCheck(t *testing.T) {
	server := sharedServer(t)
	const name = "checked_1"
	newDatabase(t, server, name)
	run(t, server, name, "DROP FUNCTION one; DROP PROCEDURE two") // which belong to bkp
	account := func(user string, grants ...string) func(*Config) {
		sql := "CREATE USER " + quoteName(user) + "@'%' IDENTIFIED BY 'x'"
		for _, g := range grants {
			sql += "; GRANT " + g + " TO " + quoteName(user) + "@'%'"
		}
		run(t, server, name, sql)
		return func(c *Config) { c.Username, c.Password = user, secret.New("x") }
	}
	tool := func(version string) func(*Config) {
		dir := fakeBin(t, version)
		return func(c *Config) { c.BinDir = dir }
	}
	olderClient, otherClient := "mariadb-dump  Ver 10.19 Distrib 10.1.48-MariaDB, for x", "mysqldump  Ver 8.4.2 for Linux on x86_64 (MySQL Community Server - GPL)"
	older, other := "10.1.48", "MySQL 8.4.2"
	if !isMariaDB(t, server) {
		olderClient, otherClient, older, other = otherClient, olderClient, "8.4.2", "MariaDB 10.1.48"
	}
	run(t, server, name, "CREATE ROLE reader; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON "+name+".* TO reader")
	member := account("member")
	run(t, server, name, "GRANT reader TO member; SET DEFAULT ROLE reader /*M! FOR */ /*!80000 TO */ member")
	for label, c := range map[string]struct {
		set     func(*Config)
		summary string // "" for none
		detail  string
	}{
		"superuser":       {nil, "", ""},
		"socket":          {func(c *Config) { c.Socket = server.Socket() }, "", ""},
		"odd account":     {asOddUser, "", ""},
		"bitbucket's own": {account("bitbucket", "ALL PRIVILEGES ON "+name+".*"), foreignDefiners, "view newest (bkp@%)"},
		"enough":          {account("enough", "SELECT, SHOW VIEW, TRIGGER, EVENT ON `checked\\_1`.*"), foreignDefiners, "view newest (bkp@%)"},
		"pattern":         {account("pattern", "SELECT, SHOW VIEW, TRIGGER, EVENT ON `check%`.*"), foreignDefiners, "view newest (bkp@%)"},
		"role":            {member, foreignDefiners, "view newest (bkp@%)"},
		"no triggers":     {account("fewer", "SELECT, SHOW VIEW, EVENT ON "+name+".*"), unreadable, "lacks TRIGGER"},
		"one table only":  {account("one", "SELECT ON "+name+".push"), unreadable, "lacks SELECT, SHOW VIEW, TRIGGER, EVENT"},
		"no lock": {func(c *Config) {
			account("nolock", "SELECT, SHOW VIEW, TRIGGER, EVENT ON "+name+".*")(c)
			c.LockedDump = true
		}, unreadable, "lacks LOCK TABLES"},
		"needless lock":     {func(c *Config) { c.LockedDump = true }, database.NeedlessLock, "grows with the database"},
		"wrong password":    {func(c *Config) { c.Password = secret.New("wrong secret") }, wrongPassword, "bkp"},
		"unknown account":   {func(c *Config) { c.Username = "nobody" }, wrongPassword, "nobody"},
		"missing database":  {func(c *Config) { c.Database = "missing" }, noDatabase, "missing"},
		"not granted":       {func(c *Config) { account("stranger")(c); c.Database = "mysql" }, refused, "stranger"},
		"nobody listens":    {func(c *Config) { c.Port = 1 }, unreachable, "127.0.0.1:1"},
		"no socket":         {func(c *Config) { c.Socket = "/missing.sock" }, unreachable, "/missing.sock"},
		"unknown host":      {func(c *Config) { c.Host = "db.invalid" }, unreachable, "db.invalid"},
		"tls refused":       {func(c *Config) { c.TLS.Mode = tlsRequire }, noTLS, "require"},
		"missing authority": {func(c *Config) { c.TLS.Mode, c.TLS.CAFile = tlsVerifyCA, "/missing/root.crt" }, noTLS, "/missing/root.crt"},
		"missing client":    {func(c *Config) { c.BinDir = "/missing" }, toolMissing, "/missing"},
		"older client":      {tool(olderClient), toolOld, older},
		"other client":      {tool(otherClient), toolOther, other},
		"broken client":     {tool("unknown"), toolBroken, "unknown"},
	} {
		t.Run(label, func(t *testing.T) {
			if label == "socket" && server.Socket() == "" {
				t.Skip("the folder's name is too long for a socket")
			}
			if label == "tls refused" && !isMariaDB(t, server) {
				t.Skip("MySQL makes itself a certificate")
			}
			s := newTest(t, server, name, c.set)
			r, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leftovers(t, s)
			if c.summary == "" {
				if len(r.Findings) > 0 || r.Facts["server"] == "" || r.Facts[factServerVersion] == "" || r.Estimate.Bytes == 0 || len(r.Space) != 1 {
					t.Errorf("%+v", r)
				}
				return
			}
			if !slices.ContainsFunc(r.Findings, func(f providers.Finding) bool {
				return f.Summary == c.summary && strings.Contains(f.Detail, c.detail) && f.Remedy != ""
			}) {
				t.Errorf("findings %v, want %s", r.Findings, c.summary)
			}
			if c.summary == foreignDefiners && len(r.Findings) != 1 {
				t.Errorf("findings %v, want that alone", r.Findings)
			}
			if strings.Contains(fmt.Sprint(r), "wrong secret") {
				t.Error("the password is shown")
			}
		})
	}
}

func TestCheckFindsTablesOutsideSnapshots(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "engines")
	run(t, server, "engines", "CREATE TABLE plain (x int) ENGINE=MyISAM; CREATE TABLE crashsafe (x int) ENGINE=/*M! Aria */ /*!80000 MyISAM */; CREATE TABLE fleeting (x int) ENGINE=MEMORY;"+
		"CREATE TABLE commas (x int NOT NULL) ENGINE=CSV")
	crashsafe := "Aria"
	if !isMariaDB(t, server) {
		crashsafe = "MyISAM"
	}
	for _, locked := range []bool{false, true} {
		r, err := newTest(t, server, "engines", func(c *Config) { c.LockedDump = locked }).Check(t.Context())
		if err != nil || len(r.Findings) != 1 {
			t.Fatalf("%v %v", r.Findings, err)
		}
		f := r.Findings[0]
		if !strings.Contains(f.Detail, "commas (CSV), crashsafe ("+crashsafe+"), fleeting (MEMORY), plain (MyISAM)") {
			t.Errorf("detail %q", f.Detail)
		}
		if got := f.Severity == problem.Error; got == locked {
			t.Errorf("locked_dump %v: severity %s", locked, f.Severity)
		}
		if got := strings.Contains(r.Does[providers.Capture], "inside the lock"); got != locked {
			t.Errorf("locked_dump %v: the plan says %q", locked, r.Does[providers.Capture])
		}
	}
}

func TestCheckFindsReadOnlyServer(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "replica")
	run(t, server, "", "SET GLOBAL read_only = 1")
	t.Cleanup(func() {
		if err := server.Exec(context.Background(), "", "SET GLOBAL read_only = 0"); err != nil {
			t.Error(err)
		}
	})
	r, err := newTest(t, server, "replica", nil).Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != onReplica {
		t.Errorf("%v %v", r.Findings, err)
	}
}

func TestValidateConfig(t *testing.T) {
	for attribute, set := range map[string]func(*Config){
		"":              func(*Config) {},
		"host":          func(c *Config) { c.Host = "" },
		"username":      func(c *Config) { c.Username = "a\nb" },
		"port":          func(c *Config) { c.Port = 70000 },
		"tls.mode":      func(c *Config) { c.TLS.Mode = "VERIFY" },
		"tls.cert_file": func(c *Config) { c.TLS.KeyFile = "x" },
		"password":      func(c *Config) { c.Password = secret.New("a\n") },
	} {
		c := Config{Host: "h", Port: 3306, Database: "d", Username: "u", TLS: TLS{Mode: tlsPrefer}}
		set(&c)
		var got []string
		for _, p := range c.ValidateConfig() {
			got = append(got, p.Attribute)
		}
		if strings.Join(got, ",") != attribute {
			t.Errorf("problems of %v, want %q", got, attribute)
		}
	}
	c := Config{Host: "h", Port: 3306, Database: "d", Username: "u", TLS: TLS{Mode: tlsRequire}, Socket: "/s"}
	if len(c.ValidateConfig()) != 1 {
		t.Error("encryption of a socket is accepted")
	}
}

func TestToolsSeeNoSecret(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "secrets")
	dir := fakeBin(t, mariadbVersion+"\nreal")
	s := newTest(t, server, "secrets", func(c *Config) {
		asOddUser(c)
		c.BinDir = dir
	})
	a := backup(t, s)
	t.Cleanup(func() { dropDatabase(t, server, oddName) })
	target, err := s.Restorer(oddName)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mariadb-dump", "mariadb"} {
		record, err := os.ReadFile(filepath.Join(dir, name+".record"))
		if err != nil {
			t.Fatal(err)
		}
		seen, options, _ := strings.Cut(string(record), "\noptions ")
		if strings.Contains(seen, password) || strings.Contains(seen, "PWD") && strings.Contains(seen, "MYSQL_PWD") {
			t.Errorf("the password is in the arguments or the environment: %s", seen)
		}
		if !strings.HasPrefix(options, "-rw------- ") && !strings.HasPrefix(options, "-rw-------\n") {
			t.Errorf("options %s", options)
		}
	}
	leftovers(t, s)
}

// backup makes one.
func backup(t *testing.T, s *strategy) providers.Artifact {
	t.Helper()
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = s.Finish(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a
}
