package mysql

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"bkp/internal/mysqlserver"
	"bkp/providers"
	"bkp/providers/providertest"
)

// databases counts those made, for names.
var databases atomic.Int64

func TestConformance(t *testing.T) {
	server := sharedServer(t)
	for _, locked := range []bool{false, true} {
		t.Run(fmt.Sprintf("locked %v", locked), func(t *testing.T) {
			conformance(t, server, func(c *Config) { c.LockedDump = locked })
		})
	}
}

func conformance(t *testing.T, server *mysqlserver.Server, set func(*Config)) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		name := fmt.Sprintf("conformance %d", databases.Add(1))
		newDatabase(t, server, name)
		configured := newTest(t, server, name, set)
		return providertest.Harness{
			Prepares: true, Leaves: true,
			New:    func(*testing.T) providers.Strategy { return newStrategy(configured.cfg, configured.env) },
			Mutate: func(t *testing.T) { mutate(t, server, name) },
			State:  func(t *testing.T) map[string]string { return state(t, server, name) },
			Kept: func(t *testing.T) map[string]string {
				if _, err := os.Stat(configured.env.WorkDir); err != nil {
					return nil
				}
				return providertest.Tree(t, configured.env.WorkDir)
			},
			Target: func(t *testing.T) providertest.Target { return newTarget(t, server, configured) },
		}
	})
}

func newTarget(t *testing.T, server *mysqlserver.Server, s *strategy) providertest.Target {
	t.Helper()
	name := fmt.Sprintf("target %d", databases.Add(1))
	t.Cleanup(func() { dropDatabase(t, server, name) })
	retargeted, err := s.Restorer(name)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Target{
		Restorer: retargeted,
		State:    func(t *testing.T) map[string]string { return state(t, server, name) },
		Occupy: func(t *testing.T) {
			if err := server.CreateDatabase(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			run(t, server, name, "CREATE TABLE occupied (x int)")
		},
	}
}

func mutate(t *testing.T, server *mysqlserver.Server, database string) {
	t.Helper()
	n := databases.Add(1)
	run(t, server, database, fmt.Sprintf("INSERT INTO push (commit) VALUES ('new %d'); UPDATE push SET commit = 'changed %d' WHERE id = %d; CREATE TABLE t%d (x int)", n, n, n, n))
}

// state returns the rows and the objects of a database; nothing if it does not
// exist.
func state(t *testing.T, server *mysqlserver.Server, database string) map[string]string {
	t.Helper()
	exists := ask(t, server, "", "SELECT count(*) FROM information_schema.schemata WHERE schema_name = "+quoteText(database))
	if exists == "0" {
		return nil
	}
	out := map[string]string{}
	for what, query := range map[string]string{
		"database": "SELECT CONCAT(default_character_set_name, ' ', default_collation_name) FROM information_schema.schemata WHERE schema_name = DATABASE()",
		"tables":   "SELECT COALESCE(GROUP_CONCAT(CONCAT(table_type, ' ', table_name) ORDER BY table_name), '') FROM information_schema.tables WHERE table_schema = DATABASE()",
		"triggers": "SELECT COALESCE(GROUP_CONCAT(trigger_name), '') FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
		"routines": "SELECT COALESCE(GROUP_CONCAT(routine_name ORDER BY routine_name), '') FROM information_schema.routines WHERE routine_schema = DATABASE()",
		"events":   "SELECT COALESCE(GROUP_CONCAT(event_name), '') FROM information_schema.events WHERE event_schema = DATABASE()",
	} {
		out[what] = ask(t, server, database, query)
	}
	if ask(t, server, database, "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'push'") == "1" {
		out["rows"] = rows(t, server, database)
	}
	return out
}

// rows is a digest of the pushes.
func rows(t *testing.T, server *mysqlserver.Server, database string) string {
	t.Helper()
	return ask(t, server, database, "SELECT CONCAT(count(*), ' ', COALESCE(SUM(CRC32(CONCAT_WS('|', id, commit, HEX(raw), at))), 0)) FROM push")
}
