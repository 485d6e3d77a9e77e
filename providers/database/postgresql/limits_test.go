package postgresql

import (
	"strings"
	"testing"

	"bkp/internal/secret"
)

// limited makes a database and its owner, with limits set by SQL.
func limited(t *testing.T, name, sql string) *strategy {
	t.Helper()
	server := sharedServer(t)
	for _, statement := range append([]string{
		"CREATE ROLE " + name + " LOGIN CREATEDB PASSWORD 'pw'", "CREATE DATABASE " + name + " OWNER " + name,
	}, strings.Split(sql, ";")...) {
		if err := server.Exec(t.Context(), "postgres", statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { dropDatabase(t, server, name) })
	if err := server.Exec(t.Context(), name, "SET default_transaction_read_only = off; SET ROLE "+name+`; CREATE TABLE t (v text); INSERT INTO t VALUES (E'a\\b')`); err != nil {
		t.Fatal(err)
	}
	return newTest(t, server, name, func(c *Config) { c.Username, c.Password, c.Jobs = name, secret.New("pw"), 4 })
}

// TestAConnectionLimitTakesJobsNotTheBackup: at the plan, and after the unlock.
func TestAConnectionLimitTakesJobsNotTheBackup(t *testing.T) {
	s := limited(t, "few", "ALTER ROLE few CONNECTION LIMIT 4")
	r, err := s.Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != fewConnections || !strings.Contains(r.Findings[0].Detail, "made with 1") {
		t.Errorf("%v %v", r.Findings, err)
	}
	backup(t, s, nil)
}

func TestADumpWaitsForAFreeConnection(t *testing.T) {
	s := limited(t, "crowded", "ALTER ROLE crowded CONNECTION LIMIT 5")
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var users []func()
	for range 4 { // users come back with the unlock
		conn, err := s.dial(t.Context(), "crowded")
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, func() { _ = closeConn(t.Context(), conn) })
	}
	s.env.Warn = func(string) { // and leave when the dump has failed once
		for _, leave := range users {
			leave()
		}
		users = nil
	}
	if _, err := s.Finish(t.Context(), a); err != nil || users != nil {
		t.Error(err, len(users))
	}
}

// TestSettingsOfTheRoleDoNotMatter: they are for Bitbucket's work.
func TestSettingsOfTheRoleDoNotMatter(t *testing.T) {
	s := limited(t, "strict", `ALTER ROLE strict SET standard_conforming_strings = off;ALTER ROLE strict SET default_transaction_read_only = on;ALTER ROLE strict SET backslash_quote = off;
		ALTER ROLE strict SET lock_timeout = '10s';ALTER ROLE strict SET idle_in_transaction_session_timeout = '200ms'`)
	if r, err := s.Check(t.Context()); err != nil || len(r.Findings) > 0 {
		t.Fatalf("%v %v", r.Findings, err)
	}
	a := backup(t, s, nil)
	target, err := s.Restorer("strict again")
	if err != nil {
		t.Fatal(err)
	}
	server := sharedServer(t)
	t.Cleanup(func() { dropDatabase(t, server, "strict again") })
	if err := target.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, server, "strict again", "SELECT v FROM t"); got != `a\b` {
		t.Errorf("restored %q", got)
	}
}
