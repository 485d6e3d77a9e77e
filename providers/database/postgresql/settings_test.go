package postgresql

import (
	"strings"
	"testing"

	"bkp/internal/problem"
)

// TestSettingsOfTheDatabaseAreRestored: Atlassian documents a schema other than
// public, and without its search path Bitbucket would begin anew, empty.
func TestSettingsOfTheDatabaseAreRestored(t *testing.T) {
	server := sharedServer(t)
	exec := func(database, sql string) {
		t.Helper()
		if err := server.Exec(t.Context(), database, sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("postgres", "CREATE DATABASE own TEMPLATE template0 OWNER "+quoteName(oddRole)+" LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk' LOCALE 'C'")
	t.Cleanup(func() { dropDatabase(t, server, "own") })
	exec("own", `CREATE ROLE watcher; SET ROLE `+quoteName(oddRole)+`; CREATE SCHEMA "B b"; CREATE TABLE "B b".repository (id int);
		INSERT INTO "B b".repository VALUES (1); ALTER DATABASE own SET search_path = "B b", public; ALTER DATABASE own SET timezone = 'Asia/Tokyo';
		ALTER ROLE `+quoteName(oddRole)+` IN DATABASE own SET work_mem = '5MB'; REVOKE CONNECT ON DATABASE own FROM PUBLIC; GRANT CONNECT ON DATABASE own TO watcher;
		ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO watcher`)
	const state = `SELECT (SELECT string_agg(setrole || c, ' ' ORDER BY setrole, c) FROM pg_db_role_setting, unnest(setconfig) c WHERE setdatabase = d.oid)
		|| ' ' || datlocprovider::text || daticulocale || datcollate || has_database_privilege('public', d.oid, 'CONNECT') || has_database_privilege('watcher', d.oid, 'CONNECT')
		FROM pg_database d WHERE datname = current_database()`
	s := newTest(t, server, "own", asOddRole)
	a := backup(t, s, nil)
	if roles, _ := artifactRoles(a); !strings.Contains(strings.Join(roles, ","), "watcher") {
		t.Errorf("roles %q", roles)
	}
	into := newTest(t, server, "own again", asOddRole)
	t.Cleanup(func() { dropDatabase(t, server, "own again") })
	if err := (restorer{strategy: into}).Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got, want := ask(t, server, "own again", state), ask(t, server, "own", state); got != want {
		t.Errorf("restored %s, want %s", got, want)
	}

	exec("postgres", "CREATE DATABASE bare OWNER "+quoteName(oddRole))
	t.Cleanup(func() { dropDatabase(t, server, "bare") })
	bare := newTest(t, server, "bare", asOddRole)
	r, err := (restorer{strategy: bare}).Check(t.Context(), a)
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != settingsDiffer || r.Findings[0].Severity != problem.Warning {
		t.Fatalf("%v %v", r.Findings, err)
	}
	for _, what := range []string{"search_path", "locale provider", "Asia/Tokyo", "watcher"} {
		if !strings.Contains(r.Findings[0].Detail, what) {
			t.Errorf("no %s in %s", what, r.Findings[0].Detail)
		}
	}
	err = (restorer{strategy: bare}).Restore(t.Context(), a)
	wantProblem(t, err, tablesHidden)
	exec("bare", strings.TrimSpace(problem.Remedy(err)[strings.Index(problem.Remedy(err), "ALTER"):]))
	if err := bare.tablesFound(t.Context(), a); err != nil {
		t.Errorf("after the remedy: %v", err)
	}
}
