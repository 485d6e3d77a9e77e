package mysql

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/mysqlserver"
	"bkp/providers"
)

// onTrial restores a in a scratch server, and returns what the restore failed with.
func onTrial(t *testing.T, s *strategy, a providers.Artifact) (*rehearsal, error) {
	t.Helper()
	r := scratchFor(t, s, a)
	return r, r.Restorer().Restore(t.Context(), a)
}

// scratchFor is a scratch server for a before it is restored there.
func scratchFor(t *testing.T, s *strategy, a providers.Artifact) *rehearsal {
	t.Helper()
	dir, err := os.MkdirTemp("", "bkp-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	made, err := s.Rehearse(t.Context(), a, providers.Place{Dir: filepath.Join(dir, "s")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Close() })
	return made.(*rehearsal)
}

// grantsAs are what the account that s logs in as may do, but for its password.
func grantsAs(t *testing.T, s *strategy) []grant {
	t.Helper()
	conn, err := s.connect(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	lines, err := conn.showGrants(t.Context(), version{kind: kindMariaDB})
	if err != nil {
		t.Fatal(err)
	}
	var out []grant
	for _, line := range lines {
		out = append(out, withoutAccount(line))
	}
	return out
}

// weakBackup is one of database "weak_" by an account that has these privileges on
// it. The statements make what is in it, as the superuser.
func weakBackup(t *testing.T, server *mysqlserver.Server, host, privileges string, statements ...string) (*strategy, providers.Artifact) {
	t.Helper()
	if !isMariaDB(t, server) {
		t.Skip("a scratch server of MySQL cannot be started")
	}
	account := "weak@" + quoteText(host)
	t.Cleanup(func() {
		dropDatabase(t, server, "weak_")
		_ = server.Exec(context.Background(), "", "DROP USER IF EXISTS "+account)
	})
	run(t, server, "", "CREATE DATABASE weak_; CREATE USER "+account+" IDENTIFIED BY 'secretword'; GRANT "+privileges+" ON `weak\\_`.* TO "+account)
	for _, statement := range append([]string{"CREATE TABLE repository (id int)", "INSERT INTO repository VALUES (7)"}, statements...) {
		run(t, server, "weak_", statement)
	}
	s := newTest(t, server, "weak_", func(c *Config) { asUser(c, "weak", "secretword") })
	return s, backup(t, s)
}

// TestADrillRestoresAsTheAccount: a good backup is proven by an account that is as
// weak as the real one.
func TestADrillRestoresAsTheAccount(t *testing.T) {
	server := sharedServer(t)
	for name, privileges := range map[string]string{"may create": "ALL PRIVILEGES", "may read": "SELECT, SHOW VIEW, TRIGGER, EVENT"} {
		t.Run(name, func(t *testing.T) {
			s, a := weakBackup(t, server, "127.%", privileges, "CREATE DEFINER=weak@'127.%' SQL SECURITY INVOKER VIEW v AS SELECT 1", "CREATE DEFINER=nobody@'%' VIEW w AS SELECT 1")
			if text := a.Facts[factAccount]; strings.Contains(text, "IDENTIFIED") || strings.Contains(text, "*") && !strings.Contains(text, "*.*") {
				t.Errorf("the record holds more than the grants: %s", text)
			}
			r := scratchFor(t, s, a)
			// The restore grants more to an account that may not create the database.
			if real, here := grantsAs(t, s), grantsAs(t, r.into); !slices.Equal(real, here) {
				t.Errorf("the account has the grants %v, and on trial %v", real, here)
			}
			err := r.Restorer().Restore(t.Context(), a)
			if err != nil || len(r.NotImitated()) > 0 || r.as != "weak@127.%" {
				t.Fatalf("%v, not imitated: %q, as %q", err, r.NotImitated(), r.as)
			}
			if ids, known, err := r.Named(t.Context()); len(ids) != 1 || !known || err != nil {
				t.Errorf("names %v, %v: %v", ids, known, err)
			}
			conn, err := r.into.connect(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.close()
			held, err := conn.privileges(t.Context(), "weak_", version{kind: kindMariaDB})
			if err != nil || held.everywhere[allPrivileges] || held.everywhere["SUPER"] || held.everywhere["CREATE USER"] {
				t.Errorf("it may do more than the real one: %v %v", held, err)
			}
			definers, err := conn.readDefiners(t.Context(), "weak_")
			if err != nil || definers["view v"] != "weak@127.%" || definers["view w"] != "weak@127.%" {
				t.Errorf("definers %v: %v", definers, err)
			}
		})
	}
}

// TestADrillFindsWhatOnlyASuperuserRestores: where changes are logged for replicas,
// an account needs more than all of its database to create a trigger.
func TestADrillFindsWhatOnlyASuperuserRestores(t *testing.T) {
	server, err := mysqlserver.Start(t.Context(), filepath.Join(t.TempDir(), "my"), "--log-bin=binlog", "--binlog-format=ROW")
	needServer(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	s, a := weakBackup(t, server, "%", "ALL PRIVILEGES", "CREATE TRIGGER stamp BEFORE INSERT ON repository FOR EACH ROW SET NEW.id = NEW.id")
	r, err := onTrial(t, s, a)
	if err == nil || !strings.Contains(err.Error(), "1419") || len(r.NotImitated()) > 0 {
		t.Errorf("%v, not imitated: %q", err, r.NotImitated())
	}
}

// TestWhatIsNotImitated: nothing is called proven with any of it.
func TestWhatIsNotImitated(t *testing.T) {
	server := sharedServer(t)
	s, a := weakBackup(t, server, "%", "ALL PRIVILEGES", "CREATE DEFINER=weak@'%' VIEW v AS SELECT 1")
	with := func(fact string, replace ...string) providers.Artifact {
		changed := a
		changed.Facts = maps.Clone(a.Facts)
		changed.Facts[fact] = strings.NewReplacer(replace...).Replace(a.Facts[fact])
		return changed
	}
	elsewhere := with(factAccount, "weak@%", "weak@192.0.2.1")
	elsewhere.Facts[factDefiners] = strings.ReplaceAll(a.Facts[factDefiners], "weak@%", "weak@192.0.2.1")
	for name, c := range map[string]struct {
		a    providers.Artifact
		want string
	}{
		"another version":                  {with(factServerVersion, "MariaDB 1", "MariaDB 9"), "the backup is of MariaDB 9"},
		"an old backup":                    {with(factAccount, a.Facts[factAccount], ""), "earlier version of bkp"},
		"another account":                  {with(factAccount, `"login":"weak"`, `"login":"other"`), `made by account "other"`},
		"a setting that is not known here": {with(factAccount, "innodb_strict_mode", "innodb_no_mode"), "does not take the setting innodb_no_mode"},
		"a grant that is not known here":   {with(factAccount, "ALL PRIVILEGES", "CREATE, SELECT, NONSENSE"), "does not take a grant of account"},
		"an account of another machine":    {elsewhere, `account "weak@192.0.2.1" cannot log in from this machine`},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := onTrial(t, s, c.a)
			if len(r.NotImitated()) == 0 || !strings.Contains(r.NotImitated()[0], c.want) {
				t.Errorf("not imitated: %q; account %+v, as %q", r.NotImitated(), r.account, r.as)
			}
		})
	}
}

func TestTheScratchSuperuserTakesNoName(t *testing.T) {
	if got := unused("bkp@%", map[string]string{"view v": "bkp_drill_1@localhost"}); got != "bkp_drill_2" {
		t.Error(got)
	}
	// The shared server's superuser is named as that of a scratch server is.
	server := sharedServer(t)
	newDatabase(t, server, "taken")
	s := newTest(t, server, "taken", nil)
	if !isMariaDB(t, server) {
		t.Skip("a scratch server of MySQL cannot be started")
	}
	r, err := onTrial(t, s, backup(t, s))
	if err != nil || len(r.NotImitated()) > 0 || r.as != "bkp@%" || r.server.User() != "bkp_drill_1" {
		t.Errorf("%v, not imitated: %q, %q restored, %q is the administrator", err, r.NotImitated(), r.as, r.server.User())
	}
}

func TestGrantsAreRecordedWithoutTheAccount(t *testing.T) {
	for line, want := range map[string]grant{
		"GRANT SELECT, EVENT ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*00'":     {"SELECT, EVENT", "*.*", false},
		"GRANT ALL PRIVILEGES ON `b``\\_`.* TO `a b`@`%` WITH GRANT OPTION":      {"ALL PRIVILEGES", "`b``\\_`.*", true},
		"GRANT USAGE ON *.* TO `a`@`%` REQUIRE SSL WITH MAX_USER_CONNECTIONS 10": {"USAGE", "*.*", false},
	} {
		if got := withoutAccount(line); got != want {
			t.Errorf("%s: %+v", line, got)
		}
	}
}
