package postgresql

import (
	"strings"
	"testing"

	"bkp/internal/problem"
	"bkp/internal/secret"
)

// TestARoleRestoresWhatASuperuserMade: what the role cannot create is found by
// the plan, and leaves the rest of the restore alone.
func TestARoleRestoresWhatASuperuserMade(t *testing.T) {
	server := ownServer(t)
	exec := func(database, sql string) {
		t.Helper()
		for statement := range strings.SplitSeq(sql, ";;") {
			if err := server.Exec(t.Context(), database, statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	exec("postgres", "CREATE ROLE bb LOGIN CREATEDB PASSWORD 'x';; CREATE DATABASE bitbucket OWNER bb;; GRANT CREATE, USAGE ON SCHEMA public TO bb")
	exec("bitbucket", `CREATE EXTENSION pg_stat_statements; CREATE EXTENSION hstore; CREATE EXTENSION postgres_fdw;
		CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw; COMMENT ON SERVER elsewhere IS 'c'; GRANT USAGE ON FOREIGN SERVER elsewhere TO bb;
		CREATE USER MAPPING FOR bb SERVER elsewhere; CREATE FOREIGN TABLE far (n int) SERVER elsewhere; ALTER FOREIGN TABLE far OWNER TO bb;
		CREATE PUBLICATION "every table" FOR ALL TABLES; COMMENT ON PUBLICATION "every table" IS 'c';
		CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; ALTER FUNCTION seen() OWNER TO bb;
		CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION seen();
		SET ROLE bb; CREATE TABLE repository (id int); INSERT INTO repository VALUES (7)`)
	as := func(database string) *strategy {
		return newTest(t, server, database, func(c *Config) { c.Username, c.Password = "bb", secret.New("x") })
	}
	s := as("bitbucket")
	r, err := s.Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Severity != problem.Warning || r.Findings[0].Summary != forAdministrator {
		t.Fatalf("%v %v", r.Findings, err)
	}
	for _, name := range []string{"extension pg_stat_statements", "server elsewhere", `publication "every table"`, "event trigger watch"} {
		if !strings.Contains(r.Findings[0].Detail, name) {
			t.Errorf("no %s in %q", name, r.Findings[0].Detail)
		}
	}
	if strings.Contains(r.Findings[0].Detail, "hstore") {
		t.Error("a trusted extension counts as the administrator's")
	}
	a := backup(t, s, nil)

	exec("postgres", "CREATE DATABASE ready OWNER bb")
	// What is there already is not created again: IF NOT EXISTS helps extensions alone.
	exec("ready", `CREATE EXTENSION pg_stat_statements; CREATE EXTENSION hstore; CREATE PUBLICATION "every table" FOR ALL TABLES; GRANT CREATE ON SCHEMA public TO bb`)
	for _, database := range []string{"created", "ready"} {
		into := as(database)
		r, err := (restorer{strategy: into}).Check(t.Context(), a)
		if err != nil || r.Failed() {
			t.Fatalf("%v %v", r.Findings, err)
		}
		remedies := ""
		for _, f := range r.Findings {
			remedies += f.Remedy
		}
		if has := strings.Contains(remedies, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements"); has != (database == "created") || strings.Contains(remedies, `CREATE PUBLICATION "every table"`) != has || !strings.Contains(remedies, "CREATE EVENT TRIGGER watch") {
			t.Errorf("%s: %s", database, remedies)
		}
		if err := (restorer{strategy: into}).Restore(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, server, database, "SELECT id || (SELECT '' || count(*) FROM pg_extension WHERE extname = 'hstore') FROM repository"); got != "71" {
			t.Errorf("%s: %s", database, got)
		}
		// What is shown to the administrator works.
		missing := recordedObjects(a)
		for _, o := range missing {
			if err := server.Exec(t.Context(), database, o.Statement); err != nil && !strings.Contains(err.Error(), "already exists") {
				t.Errorf("%s: %v", o.Statement, err)
			}
		}
	}
}
