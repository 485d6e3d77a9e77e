package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bkp/internal/mysqlserver"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
)

// heard collects what a strategy warns of.
func heard(s *strategy) *[]string {
	var all []string
	s.env.Warn = func(message string) { all = append(all, message) }
	return &all
}

// finding returns the one with a summary, or nil.
func finding(r providers.Report, summary string) *providers.Finding {
	for _, f := range r.Findings {
		if f.Summary == summary {
			return &f
		}
	}
	return nil
}

// statements are those of a remedy.
func statements(remedy string) []string {
	var out []string
	for line := range strings.Lines(remedy) {
		if text, found := strings.CutPrefix(line, "    "); found {
			out = append(out, strings.TrimRight(text, ";\n"))
		}
	}
	return out
}

// Rights belong to the server, and a dump has none of them.
func TestRightsAreRecordedAndMissingOnesShown(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "of_rights")
	public := ""
	if isMariaDB(t, server) {
		public = "GRANT SELECT ON of_rights.* TO PUBLIC;"
		t.Cleanup(func() { runLate(t, server, "REVOKE SELECT ON of_rights.* FROM PUBLIC") })
	}
	run(t, server, "", "CREATE USER reader@'%', `o'd``d`@localhost, everywhere@'%', partly@'%'; CREATE ROLE reporting;"+
		"GRANT SELECT, INSERT ON `of\\_rights`.* TO reader@'%' WITH GRANT OPTION; GRANT SELECT ON `of%rights`.* TO `o'd``d`@localhost;"+
		"GRANT SELECT ON of_rights.push TO partly@'%'; GRANT UPDATE (raw, commit) ON of_rights.push TO partly@'%'; GRANT SELECT ON of_rights.newest TO reporting;"+
		"GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE of_rights.two TO partly@'%' WITH GRANT OPTION; GRANT SELECT ON *.* TO everywhere@'%'; GRANT SELECT ON of_rights.* TO everywhere@'%';"+public)
	t.Cleanup(func() {
		runLate(t, server, "DROP USER reader@'%', `o'd``d`@localhost, everywhere@'%', partly@'%'; DROP ROLE reporting")
	})
	a := backup(t, newTest(t, server, "of_rights", nil))
	target := newTest(t, server, "of_rights2", nil)
	t.Cleanup(func() { dropDatabase(t, server, "of_rights2") })
	warned := heard(target)
	r, err := (restorer{strategy: target}).Check(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	f := finding(r, rightsMissing)
	if f == nil || f.Severity != problem.Warning || strings.Contains(f.Remedy, "everywhere") {
		t.Fatalf("findings %v", r.Findings)
	}
	for _, kind := range []string{"TABLE", "PROCEDURE"} {
		if !strings.Contains(a.Facts[factRights], fmt.Sprintf(`"kind":%q`, kind)) {
			t.Errorf("recorded for no %s: %s", kind, a.Facts[factRights])
		}
	}
	if err := (restorer{strategy: target}).Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if len(*warned) != 1 || !strings.Contains((*warned)[0], f.Remedy) {
		t.Errorf("warned %q", *warned)
	}
	if got := grantsOf(t, server, "of_rights2"); len(got) > 0 {
		t.Errorf("granted without being asked: %q", got)
	}
	for _, statement := range statements(f.Remedy) {
		run(t, server, "", statement)
	}
	if got, want := grantsOf(t, server, "of_rights2"), grantsOf(t, server, "of_rights"); !slices.Equal(got, want) {
		t.Errorf("rights\n%q, want\n%q", got, want)
	}
	dropDatabase(t, server, "of_rights2")
	if r, err = (restorer{strategy: target}).Check(t.Context(), a); err != nil || finding(r, rightsMissing) != nil {
		t.Errorf("nothing is missing any more: %v %v", r.Findings, err)
	}
}

// grantsOf are the rights on a database, without those of the account that has
// them on all.
func grantsOf(t *testing.T, server *mysqlserver.Server, name string) []string {
	t.Helper()
	db, err := server.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &session{db, conn}
	f, err := s.serverFacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	here, _, err := s.rights(t.Context(), name, f.version)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range here {
		if r.User != "everywhere" {
			out = append(out, fmt.Sprintf("%+v", r))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func runLate(t *testing.T, server *mysqlserver.Server, statements string) {
	t.Helper()
	if err := server.Exec(context.Background(), "", statements); err != nil {
		t.Error(err)
	}
}

// The account of the database alone may not look into the schema mysql, and is no
// reason to fail.
func TestRightsOfAnAccountThatSeesItsOwn(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "own_rights")
	run(t, server, "own_rights", "DROP FUNCTION one; DROP PROCEDURE two")
	run(t, server, "", "CREATE USER owner@'%' IDENTIFIED BY 'x'; GRANT ALL ON `own\\_rights`.* TO owner@'%'; CREATE USER hidden@'%'; GRANT SELECT ON own_rights.* TO hidden@'%'")
	a := backup(t, newTest(t, server, "own_rights", func(c *Config) { c.Username, c.Password = "owner", secret.New("x") }))
	if got := a.Facts[factRights]; !strings.Contains(got, `"owner"`) || strings.Contains(got, "hidden") {
		t.Errorf("recorded %s", got)
	}
}

func TestDefaultsOfTheDatabaseAreCompared(t *testing.T) {
	server := sharedServer(t)
	run(t, server, "", "CREATE DATABASE sorted CHARACTER SET latin1 COLLATE latin1_general_cs")
	t.Cleanup(func() { dropDatabase(t, server, "sorted") })
	run(t, server, "sorted", "CREATE TABLE t (x TEXT)")
	a := backup(t, newTest(t, server, "sorted", nil))
	collation := "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = 'sorted2'"
	target := newTest(t, server, "sorted2", nil)
	t.Cleanup(func() { dropDatabase(t, server, "sorted2") })
	warned := heard(target)
	if err := (restorer{strategy: target}).Restore(t.Context(), a); err != nil || len(*warned) > 0 {
		t.Fatalf("%v %q", err, *warned)
	}
	if got := ask(t, server, "", collation); got != "latin1_general_cs" {
		t.Errorf("created with %s", got)
	}
	dropDatabase(t, server, "sorted2")
	run(t, server, "", "CREATE DATABASE sorted2 CHARACTER SET utf8mb4")
	r, err := (restorer{strategy: target}).Check(t.Context(), a)
	f := finding(r, charsetDiffers)
	if err != nil || f == nil || f.Severity != problem.Warning {
		t.Fatalf("%v %v", r.Findings, err)
	}
	if err := (restorer{strategy: target}).Restore(t.Context(), a); err != nil || len(*warned) != 1 || !strings.Contains((*warned)[0], charsetDiffers) {
		t.Errorf("%v %q", err, *warned)
	}
	run(t, server, "", statements(f.Remedy)[0])
	if got := ask(t, server, "", collation); got != "latin1_general_cs" {
		t.Errorf("%s after the remedy", got)
	}
}

func TestModeOfTheServerIsCompared(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "modes")
	before := ask(t, server, "", "SELECT @@global.sql_mode")
	t.Cleanup(func() { runLate(t, server, "SET GLOBAL sql_mode = '"+before+"'") })
	run(t, server, "", "SET GLOBAL sql_mode = 'NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT'")
	a := backup(t, newTest(t, server, "modes", nil))
	if got := a.Facts[factMode]; got != "PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION" {
		t.Errorf("recorded %q", got)
	}
	target := newTest(t, server, "modes2", nil)
	t.Cleanup(func() { dropDatabase(t, server, "modes2") })
	if r, err := (restorer{strategy: target}).Check(t.Context(), a); err != nil || len(r.Findings) > 0 {
		t.Errorf("the same: %v %v", r.Findings, err)
	}
	run(t, server, "", "SET GLOBAL sql_mode = ''")
	r, err := (restorer{strategy: target}).Check(t.Context(), a)
	f := finding(r, modeDiffers)
	if err != nil || f == nil || f.Severity != problem.Warning {
		t.Fatalf("%v %v", r.Findings, err)
	}
	warned := heard(target)
	if err := (restorer{strategy: target}).Restore(t.Context(), a); err != nil || len(*warned) != 1 || !strings.Contains((*warned)[0], modeDiffers) {
		t.Errorf("%v %q", err, *warned)
	}
	run(t, server, "", statements(f.Remedy)[0])
	if r, err := (restorer{strategy: newTest(t, server, "modes3", nil)}).Check(t.Context(), a); err != nil || len(r.Findings) > 0 {
		t.Errorf("after the remedy: %v %v", r.Findings, err)
	}
}

// The tools write the name of the database around routines that were made under
// another collation: a restore beside it would alter the original.
func TestRestoreUnderAnotherNameAltersNoOtherDatabase(t *testing.T) {
	server := sharedServer(t)
	run(t, server, "", "CREATE DATABASE `first ``one` CHARACTER SET latin1")
	t.Cleanup(func() { dropDatabase(t, server, "first `one") })
	run(t, server, "first `one", "CREATE PROCEDURE p() SELECT 'ALTER DATABASE `first ``one` CHARACTER SET latin1'")
	run(t, server, "", "ALTER DATABASE `first ``one` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	a := backup(t, newTest(t, server, "first `one", nil))
	routine := "SELECT CONCAT(database_collation, ' ', routine_definition) FROM information_schema.routines WHERE routine_schema = "
	want := ask(t, server, "", routine+quoteText("first `one"))
	dropDatabase(t, server, "first `one")
	target := newTest(t, server, "second", nil)
	t.Cleanup(func() { dropDatabase(t, server, "second") })
	if err := (restorer{strategy: target}).Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, server, "", routine+"'second'"); got != want {
		t.Errorf("routine %q, want %q", got, want)
	}
}

func TestParseGrantee(t *testing.T) {
	for text, want := range map[string][2]string{
		"'a'@'%'": {"a", "%"}, "'r'@''": {"r", ""}, "'o'd'@'x'@'h'": {"o'd'@'x", "h"}, "odd": {"odd", ""}, "": {"", ""},
	} {
		if user, host := parseGrantee(text); user != want[0] || host != want[1] {
			t.Errorf("%s: %q %q", text, user, host)
		}
	}
}
