package postgresql

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/pgserver"
	"bkp/internal/secret"
	"bkp/providers"
)

// onTrial restores a in a scratch server, and returns what was not imitated and
// what the restore failed with.
func onTrial(t *testing.T, s *strategy, a providers.Artifact) (r *rehearsal, err error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "bkp-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	made, err := s.Rehearse(t.Context(), a, providers.Place{Dir: filepath.Join(dir, "server")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Close() })
	return made.(*rehearsal), made.Restorer().Restore(t.Context(), a)
}

// weakBackup is one by a role with these rights, of a database with what the
// statements make. ~ stands for the name of the role and of the database.
func weakBackup(t *testing.T, name, rights, asRole, asSuperuser string) (*strategy, providers.Artifact) {
	t.Helper()
	server := sharedServer(t)
	t.Cleanup(func() {
		dropDatabase(t, server, name)
		_ = server.Exec(t.Context(), "postgres", "DROP ROLE IF EXISTS "+quoteName(name))
	})
	for _, statement := range []string{"CREATE ROLE ~ LOGIN PASSWORD 'x' " + rights, "CREATE DATABASE ~ OWNER ~", "ALTER ROLE ~ SET work_mem = '5MB'"} {
		if err := server.Exec(t.Context(), "postgres", strings.ReplaceAll(statement, "~", quoteName(name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{asSuperuser, "SET ROLE ~; CREATE TABLE repository (id int); INSERT INTO repository VALUES (7);" + asRole} {
		if err := server.Exec(t.Context(), name, strings.ReplaceAll(sql, "~", quoteName(name))); err != nil {
			t.Fatal(err)
		}
	}
	s := newTest(t, server, name, func(c *Config) { c.Username, c.Password = name, secret.New("x") })
	return s, backup(t, s, nil)
}

// TestADrillRestoresAsTheAccount: a good backup is proven by a role that is as weak
// as the real one, and as the real one it needs an administrator for some things.
func TestADrillRestoresAsTheAccount(t *testing.T) {
	for name, c := range map[string]struct{ rights, asRole, asSuperuser string }{
		"may create":         {"CREATEDB", `CREATE SCHEMA "B b"; CREATE TABLE "B b".t (n int); ALTER DATABASE ~ SET search_path = public, "B b"`, ""},
		"may not":            {"NOCREATEDB", `CREATE SCHEMA "B b"; ALTER TABLE repository SET SCHEMA "B b"; ALTER DATABASE ~ SET search_path = "B b", public`, "CREATE EXTENSION hstore WITH SCHEMA public"},
		"needs one after it": {"CREATEDB", "", `CREATE SCHEMA app AUTHORIZATION ~; CREATE EXTENSION pg_stat_statements SCHEMA app`},
		"needs an administrator": {"CREATEDB", "CREATE TABLE far (s hstore)", `CREATE EXTENSION pg_stat_statements; CREATE EXTENSION hstore; CREATE EXTENSION postgres_fdw;
			CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw; CREATE PUBLICATION everything FOR ALL TABLES`},
	} {
		t.Run(name, func(t *testing.T) {
			s, a := weakBackup(t, "weak "+name, c.rights, c.asRole, c.asSuperuser)
			r, err := onTrial(t, s, a)
			if err != nil || len(r.NotImitated()) > 0 {
				t.Fatalf("%v, not imitated: %q", err, r.NotImitated())
			}
			conn, err := r.into.connect(t.Context(), a.Facts[factDatabase])
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = closeConn(t.Context(), conn) }()
			got, err := names(t.Context(), conn, `SELECT concat(current_user, ' ', rolsuper, rolcreatedb, ' ', current_setting('work_mem'), ' ', current_setting('search_path')) FROM pg_roles WHERE rolname = current_user`)
			createDB := map[bool]string{true: "t", false: "f"}[c.rights == "CREATEDB"]
			if want := "weak " + name + " f" + createDB + " 5MB "; err != nil || !strings.HasPrefix(got[0], want) {
				t.Errorf("restored as %q, want %q: %v", got, want, err)
			}
			if was := recordedProperties(a); !strings.HasSuffix(got[0], was.SearchPath) {
				t.Errorf("restored as %q, the search path was %s", got, was.SearchPath)
			}
			if ids, known, err := r.Named(t.Context()); len(ids) != 1 || !known || err != nil {
				t.Errorf("names %v, %v: %v", ids, known, err)
			}
			objects, err := adminObjects(t.Context(), conn)
			if err != nil || len(objects) != len(recordedObjects(a)) {
				t.Errorf("the administrator made %s of %s: %v", listed(objects), listed(recordedObjects(a)), err)
			}
		})
	}
}

// TestADrillFindsWhatOnlyASuperuserRestores: the role owns it, may dump it, and
// could not create it again.
func TestADrillFindsWhatOnlyASuperuserRestores(t *testing.T) {
	s, a := weakBackup(t, "closed", "CREATEDB", "",
		"CREATE FUNCTION tight() RETURNS int LEAKPROOF LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION tight() OWNER TO ~")
	r, err := onTrial(t, s, a)
	if err == nil || !strings.Contains(err.Error(), "leakproof") || len(r.NotImitated()) > 0 {
		t.Errorf("%v, not imitated: %q", err, r.NotImitated())
	}
}

// TestADrillImitatesTheServer: its search path, its tablespaces, and through whom the
// account has its rights.
func TestADrillImitatesTheServer(t *testing.T) {
	server := ownServer(t)
	exec := func(database string, statements ...string) {
		t.Helper()
		for _, statement := range statements {
			if err := server.Exec(t.Context(), database, statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	exec("postgres", "ALTER SYSTEM SET search_path = app, public", "ALTER SYSTEM SET allow_in_place_tablespaces = on", "SELECT pg_reload_conf()")
	exec("postgres", "CREATE ROLE owners", "CREATE ROLE bb LOGIN PASSWORD 'x' IN ROLE owners, pg_read_all_data",
		"CREATE TABLESPACE fast LOCATION ''", "GRANT CREATE ON TABLESPACE fast TO bb", "CREATE DATABASE bitbucket OWNER bb")
	exec("bitbucket", "CREATE SCHEMA app AUTHORIZATION bb; CREATE SCHEMA more AUTHORIZATION owners; SET ROLE bb; "+
		"CREATE TABLE app.repository (id int) TABLESPACE fast; INSERT INTO app.repository VALUES (7); SET ROLE owners; CREATE TABLE more.theirs (id int)",
		"ALTER ROLE ALL SET default_transaction_read_only = on")
	s := newTest(t, server, "bitbucket", func(c *Config) { c.Username, c.Password = "bb", secret.New("x") })
	r, err := onTrial(t, s, backup(t, s, nil))
	if err != nil || len(r.NotImitated()) > 0 {
		t.Fatalf("%v, not imitated: %q", err, r.NotImitated())
	}
	got := ask(t, r.server, "bitbucket", `SELECT concat(current_setting('search_path'), ' ', current_setting('default_transaction_read_only'), ' ',
		(SELECT tablespace FROM pg_tables WHERE tablename = 'repository'), ' ', (SELECT tableowner FROM pg_tables WHERE tablename = 'theirs'), ' ',
		pg_has_role('bb', 'pg_read_all_data', 'MEMBER'))`)
	if got != "app, public on fast owners t" {
		t.Errorf("the scratch server has %s", got)
	}
}

// TestWhatNeedsAnAbsentExtension is not restored, and that is not called a fault of
// the backup.
func TestWhatNeedsAnAbsentExtension(t *testing.T) {
	s, a := weakBackup(t, "needs it", "CREATEDB", "CREATE TABLE far (s hstore)", "CREATE EXTENSION hstore")
	a.Facts[factExtensions] = strings.ReplaceAll(a.Facts[factExtensions], "hstore", "not_here")
	r, err := onTrial(t, s, a)
	if err == nil || len(r.NotImitated()) != 1 || !strings.Contains(r.NotImitated()[0], "extension not_here is not installed") {
		t.Errorf("%v, not imitated: %q", err, r.NotImitated())
	}
}

// TestWhatIsNotImitated: none of it counts against the backup, and nothing is
// called proven with it.
func TestWhatIsNotImitated(t *testing.T) {
	s, a := weakBackup(t, "unlike", "CREATEDB", "", "CREATE EXTENSION hstore")
	with := func(change func(facts map[string]string)) providers.Artifact {
		changed := a
		changed.Facts = maps.Clone(a.Facts)
		change(changed.Facts)
		return changed
	}
	for name, c := range map[string]struct {
		a    providers.Artifact
		want string
	}{
		"an extension that is not installed": {with(func(f map[string]string) {
			f[factExtensions] = strings.ReplaceAll(f[factExtensions], "hstore", "not_here")
		}), "extension not_here is not installed"},
		"another version": {with(func(f map[string]string) { f[factServerVersion] = "11.9" }), "is of PostgreSQL 11.9 and was restored into "},
		"an old backup":   {with(func(f map[string]string) { delete(f, factAccount) }), "earlier version of bkp"},
		"another account": {with(func(f map[string]string) {
			f[factAccount] = strings.ReplaceAll(f[factAccount], `"login":"unlike"`, `"login":"other"`)
		}), `made by role "other"`},
		"a locale that is not installed": {with(func(f map[string]string) { f[factCollate], f[factCtype] = "xx_XX.utf8", "xx_XX.utf8" }), "the locale xx_XX.utf8"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := onTrial(t, s, c.a)
			if err != nil || len(r.NotImitated()) != 1 || !strings.Contains(r.NotImitated()[0], c.want) {
				t.Errorf("%v, not imitated: %q", err, r.NotImitated())
			}
			if name == "an extension that is not installed" && ask(t, r.server, "unlike", "SELECT count(*) || '' FROM pg_extension WHERE extname = 'hstore'") != "0" {
				t.Error("the extension was not left out")
			}
		})
	}
}

// TestTheVersionInUseIsPreferred: stand-ins for the programs of other versions are
// beside those of this machine.
func TestTheVersionInUseIsPreferred(t *testing.T) {
	bin, err := pgserver.BinDir()
	needServer(t, err)
	standIn := func(version string) string {
		dir := t.TempDir()
		for name, script := range map[string]string{
			"postgres": "if [ \"$1\" = --version ]; then echo 'postgres (PostgreSQL) " + version + "'; else exec '" + bin + "/postgres' \"$@\"; fi",
			"initdb":   "exec '" + bin + "/initdb' \"$@\"",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs a shell")
	}
	for other, want := range map[string]string{"16.9": "", "17.2": "the backup is of PostgreSQL 16.3 and was restored into 17.2"} {
		t.Setenv("PATH", standIn("18.1")+string(os.PathListSeparator)+os.Getenv("PATH"))
		s := newStrategy(Config{BinDir: standIn(other)}, providers.Env{Host: &host.Host{}})
		a := providers.Artifact{Facts: map[string]string{factServerVersion: "16.3", factClientVersion: "18.0"}}
		found, err := s.findServer(t.Context(), a)
		if err != nil || found.version.String() != other {
			t.Fatalf("%+v %v", found, err)
		}
		r := &rehearsal{version: found.version, account: account{Login: "bb"}}
		r.compare(a, "bb", true)
		if got := strings.Join(r.NotImitated(), "; "); (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q", other, got)
		}
	}
}

func sharedStrategy(t *testing.T) *strategy {
	t.Helper()
	return newTest(t, sharedServer(t), "postgres", nil)
}

func TestTheScratchSuperuserTakesNoName(t *testing.T) {
	if got := unused([]string{"bkp", "bkp_drill_1", "bb"}); got != "bkp_drill_2" {
		t.Error(got)
	}
	// The shared server belongs to a role that is named as a scratch superuser is.
	s := sharedStrategy(t)
	newDatabase(t, sharedServer(t), "taken")
	s.cfg.Database = "taken"
	r, err := onTrial(t, s, backup(t, s, nil))
	if err != nil || len(r.NotImitated()) > 0 || r.into.cfg.Username != "bkp" || r.server.User() != "bkp_drill_1" || !r.super {
		t.Errorf("%v, not imitated: %q, %q restored, %q is the administrator", err, r.NotImitated(), r.into.cfg.Username, r.server.User())
	}
}

func TestMembershipsAreGrantedAsTheyWere(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		m    membership
		on   version
		want string
	}{
		{membership{Role: "a", Member: "b"}, 150000, `GRANT "a" TO "b"`},
		{membership{Role: "a", Member: "b", Admin: true}, 160000, `GRANT "a" TO "b" WITH ADMIN OPTION`},
		{membership{"a", "b", false, &no, &yes}, 160000, `GRANT "a" TO "b" WITH ADMIN FALSE, INHERIT FALSE, SET TRUE`},
		{membership{"a", "b", false, &no, &yes}, 150000, `GRANT "a" TO "b"`},
	} {
		if got := c.m.statement(c.on); !strings.EqualFold(got, c.want) {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if got := fmt.Sprint(setting{Name: "a.b", Value: `c'\d`}.literal(), setting{Name: "search_path", Value: `"$user", "B b"`}.literal()); got != ` SET "a"."b" TO E'c''\\d' SET "search_path" TO "$user", "B b"` {
		t.Error(got)
	}
}
