package postgresql

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"bkp/internal/pgserver"
	"bkp/providers"
	"bkp/providers/providertest"
)

// databases counts those made, for names.
var databases atomic.Int64

func TestConformance(t *testing.T) {
	server := sharedServer(t)
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		name := fmt.Sprintf("conformance %d", databases.Add(1))
		newDatabase(t, server, name)
		configured := newTest(t, server, name, nil)
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

func newTarget(t *testing.T, server *pgserver.Server, s *strategy) providertest.Target {
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
			if err := server.Exec(t.Context(), name, "CREATE TABLE occupied (x int)"); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func mutate(t *testing.T, server *pgserver.Server, database string) {
	t.Helper()
	n := databases.Add(1)
	sql := fmt.Sprintf("INSERT INTO push (commit) VALUES ('new %d'); UPDATE push SET commit = 'changed %d' WHERE id = %d; CREATE TABLE t%d (x int)", n, n, n, n)
	if err := server.Exec(t.Context(), database, sql); err != nil {
		t.Fatal(err)
	}
}

// state returns the rows and the tables of a database; nothing if it does not
// exist.
func state(t *testing.T, server *pgserver.Server, database string) map[string]string {
	t.Helper()
	if ask(t, server, "postgres", "SELECT count(*) || '' FROM pg_database WHERE datname = "+quoteLiteral(database)) == "0" {
		return nil
	}
	out := map[string]string{"tables": ask(t, server, database, "SELECT coalesce(string_agg(oid::regclass::text, ',' ORDER BY relname), '') FROM pg_class c WHERE relkind = 'r' AND "+userSchema)}
	if ask(t, server, database, "SELECT count(*) || '' FROM pg_class WHERE relname = 'push'") == "1" {
		out["rows"] = ask(t, server, database, "SELECT count(*) || ' ' || md5(string_agg(id || commit, ',' ORDER BY id)) FROM push")
	}
	return out
}
