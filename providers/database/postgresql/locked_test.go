package postgresql

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

func TestLockedDumpThroughAPool(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "locked")
	port := startBouncer(t, findBouncer(t), server, "transaction")
	s := newTest(t, server, "locked", func(c *Config) { c.Port, c.LockedDump = port, true })
	r, err := s.Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != database.DumpedLocked || r.Findings[0].Severity != problem.Warning {
		t.Fatalf("%v %v", r.Findings, err)
	}
	if !strings.Contains(r.Does[providers.Capture], "inside the lock") {
		t.Errorf("the plan says %q", r.Does[providers.Capture])
	}
	// What the dump holds is the instant of the lock: users write after it only.
	want := state(t, server, "locked")
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	mutate(t, server, "locked")
	if a, err = s.Finish(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	direct := newTest(t, server, "locked", nil)
	target, err := direct.Restorer("locked copy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, server, "locked copy") })
	if err := target.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := state(t, server, "locked copy"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("restored %v, want %v", got, want)
	}
	leftovers(t, s, string(id))
}

func TestMend(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "locked")
	port := startBouncer(t, findBouncer(t), server, "transaction", "default_pool_size = 1")
	s := newTest(t, server, "locked", func(c *Config) { c.Port, c.LockedDump = port, true })
	// A setting of pg_dump that met a session other than that of its
	// transaction, which the proxy does not end with it.
	askPool(t, server.URL("locked"), port, "SELECT pg_catalog.set_config('search_path', '', false)")
	if path := askPool(t, server.URL("locked"), port, "SHOW search_path"); path != "" {
		t.Fatalf("the proxy lent a session with the search path %q", path)
	}
	conn, clean, err := s.resetSession(t.Context())
	if err != nil || clean {
		t.Fatal(clean, err)
	}
	if _, err := conn.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if path := askPool(t, server.URL("locked"), port, "SHOW search_path"); path != `"$user", public` {
		t.Errorf("the proxy lends a session with the search path %q", path)
	}
	if err := s.resetPool(t.Context()); err != nil { // the whole pool, which has one session
		t.Error(err)
	}
}

// askPool is a user of the pool.
func askPool(t *testing.T, direct string, port int, query string) string {
	t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = fmt.Sprintf("127.0.0.1:%d", port)
	cfg, err := pgx.ParseConfig(u.String())
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var answer string
	if err := conn.QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestLockedDumpWithoutNeed(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "needless")
	r, err := newTest(t, server, "needless", func(c *Config) { c.LockedDump = true }).Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != database.NeedlessLock {
		t.Errorf("%v %v", r.Findings, err)
	}
}
