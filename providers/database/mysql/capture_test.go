package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bkp/internal/mysqlserver"
	"bkp/internal/problem"
	"bkp/providers"
)

// mariadbVersion is what a fake says to be of the server's kind.
const mariadbVersion = "mariadb-dump  Ver 10.19 Distrib 99.1.0-MariaDB, for fake"

// fakeDump makes a strategy dump with a fake, and restore with the real client.
func fakeDump(t *testing.T, script string) func(*Config) {
	t.Helper()
	dir := fakeBin(t, mariadbVersion+"\n"+script)
	for _, name := range []string{"mysql", "mariadb"} {
		real, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		fake := filepath.Join(dir, name)
		if err := errors.Join(os.Remove(fake), os.Symlink(real, fake)); err != nil {
			t.Fatal(err)
		}
	}
	return func(c *Config) { c.BinDir = dir }
}

// TestDumpIsTheInstantOfTheLock pushes from several connections, stops them
// for the capture alone, and compares what a restore brings back with what was
// there while they stood still.
func TestDumpIsTheInstantOfTheLock(t *testing.T) {
	server := sharedServer(t)
	for name, c := range map[string]struct {
		set   func(*Config)
		first int // rows of the table that is dumped first, of 1 KiB each
	}{
		"tiny":                       {nil, 0},
		"large first table":          {nil, 30000},
		"slow start of the tool":     {fakeDump(t, "slow"), 1000},
		"tool without a message":     {fakeDump(t, "quiet"), 5000},
		"tiny and without a message": {fakeDump(t, "quiet"), 0},
		"inside the lock":            {func(c *Config) { c.LockedDump = true }, 1000},
		"over the socket":            {func(c *Config) { c.Socket = server.Socket() }, 0},
		"account of an odd name":     {asOddUser, 0},
		"slow and inside the lock":   {func(c *Config) { fakeDump(t, "slow")(c); c.LockedDump = true }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "over the socket" && server.Socket() == "" {
				t.Skip("the folder's name is too long for a socket")
			}
			database := fmt.Sprintf("%s %d", oddName, databases.Add(1))
			newDatabase(t, server, database)
			run(t, server, database, fmt.Sprintf("CREATE TABLE aaa (id int PRIMARY KEY, t text);"+
				"INSERT INTO aaa SELECT seq, REPEAT(SHA2(seq, 256), 16) FROM %s", counting(c.first)))
			s := newTest(t, server, database, c.set)
			users := startUsers(t, server, database)
			if err := s.Prepare(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			users.await(t, 20)
			users.gate.Lock()
			want := rows(t, server, database)
			a, err := s.Capture(t.Context(), id)
			users.gate.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			users.await(t, 20)
			if a, err = s.Finish(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			users.stop()
			if now := rows(t, server, database); now == want {
				t.Fatal("nobody wrote")
			}
			if got := restored(t, server, s, a); got != want {
				t.Errorf("restored rows %s, want %s", got, want)
			}
		})
	}
}

// restored gives the rows of a restore to another name.
func restored(t *testing.T, server *mysqlserver.Server, s *strategy, a providers.Artifact) string {
	t.Helper()
	name := fmt.Sprintf("restored %d", databases.Add(1))
	t.Cleanup(func() { dropDatabase(t, server, name) })
	target, err := s.Restorer(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return rows(t, server, name)
}

// users push; gate stops them.
type users struct {
	gate   sync.RWMutex
	pushed chan struct{}
	end    context.CancelFunc
	wait   sync.WaitGroup
}

func startUsers(t *testing.T, server *mysqlserver.Server, database string) *users {
	t.Helper()
	db, err := server.Open(database)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	u := &users{pushed: make(chan struct{}), end: cancel}
	for range 2 {
		u.wait.Go(func() { u.push(ctx, t, db) })
	}
	t.Cleanup(func() { u.stop(); _ = db.Close() })
	return u
}

func (u *users) push(ctx context.Context, t *testing.T, db *sql.DB) {
	for ctx.Err() == nil {
		u.gate.RLock()
		_, err := db.ExecContext(ctx, "INSERT INTO push (commit) VALUES (UUID())")
		u.gate.RUnlock()
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
		select {
		case u.pushed <- struct{}{}:
		default:
		}
	}
}

// await waits for as many pushes.
func (u *users) await(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-u.pushed:
		case <-t.Context().Done():
			t.Fatal(context.Cause(t.Context()))
		}
	}
}

func (u *users) stop() { u.end(); u.wait.Wait() }

// heldDump captures while another connection holds the table zzz, at which the
// dump then waits. The returned function runs statements on that connection.
func heldDump(t *testing.T, server *mysqlserver.Server, s *strategy) (providers.Artifact, func(string)) {
	t.Helper()
	run(t, server, s.cfg.Database, "CREATE TABLE zzz (x int); INSERT INTO zzz VALUES (1)")
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	db, err := server.Open(s.cfg.Database)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // LOCK TABLES belongs to a connection
	t.Cleanup(func() { _ = db.Close() })
	exec := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec("LOCK TABLES zzz WRITE")
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.running.done:
		t.Fatalf("the dump did not wait: %v", s.running.err)
	default:
	}
	return a, exec
}

func TestChangedTableFailsTheDump(t *testing.T) {
	server := sharedServer(t)
	for _, statement := range []string{"TRUNCATE zzz", "ALTER TABLE zzz FORCE", "DROP TABLE zzz", "ALTER TABLE zzz MODIFY x bigint"} {
		t.Run(statement, func(t *testing.T) {
			newDatabase(t, server, "changed")
			s := newTest(t, server, "changed", nil)
			a, exec := heldDump(t, server, s)
			exec(statement)
			exec("UNLOCK TABLES")
			_, err := s.Finish(t.Context(), a)
			wantProblem(t, err, tableChanged)
			leftovers(t, s)
		})
	}
}

func TestLateRowsAreNotDumped(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "late")
	s := newTest(t, server, "late", nil)
	a, exec := heldDump(t, server, s)
	if _, err := os.Stat(s.optionFile(id)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the option file is still there: %v", err)
	}
	exec("INSERT INTO zzz VALUES (2)")
	exec("UNLOCK TABLES")
	a, err := s.Finish(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, server, "copy") })
	target, err := s.Restorer("copy")
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, server, "copy", "SELECT GROUP_CONCAT(x) FROM zzz"); got != "1" {
		t.Errorf("rows %s, want 1", got)
	}
}

func TestInterruptedDump(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "interrupted")
	s := newTest(t, server, "interrupted", nil)
	a, exec := heldDump(t, server, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Finish(ctx, a); !errors.Is(err, context.Canceled) {
		t.Errorf("finish with an ended context: %v", err)
	}
	exec("UNLOCK TABLES")
	leftovers(t, s)
	if _, err := s.Finish(t.Context(), a); problem.Remedy(err) == "" {
		t.Errorf("finish without a dump: %v", err)
	}
}

func TestReleaseEndsTheDump(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "released")
	s := newTest(t, server, "released", nil)
	_, exec := heldDump(t, server, s)
	d := s.running
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-d.done:
	default:
		t.Error("the dump goes on")
	}
	exec("UNLOCK TABLES")
	if err := newStrategy(s.cfg, s.env).Discard(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	leftovers(t, s)
}

func TestServerDiesDuringTheDump(t *testing.T) {
	server, err := mysqlserver.Start(t.Context(), filepath.Join(t.TempDir(), "my"))
	needServer(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	if err := server.CreateDatabase(t.Context(), "doomed"); err != nil {
		t.Fatal(err)
	}
	run(t, server, "doomed", "CREATE TABLE aaa (x int)")
	s := newTest(t, server, "doomed", nil)
	a, _ := heldDump(t, server, s)
	server.Kill()
	_, err = s.Finish(t.Context(), a)
	wantProblem(t, err, dumpFailed)
	// The tool prints nothing when the connection breaks while it switches the
	// character set; then its last words show how far it came.
	if said := err.Error(); !strings.Contains(said, "Lost connection") && !strings.Contains(said, "aaa") {
		t.Errorf("the error does not contain what the tool said: %v", err)
	}
	leftovers(t, s)
}

func TestWarmFindsAServerThatIsGone(t *testing.T) {
	server, err := mysqlserver.Start(t.Context(), filepath.Join(t.TempDir(), "my"))
	needServer(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	if err := server.CreateDatabase(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	s := newTest(t, server, "gone", nil)
	if err := errors.Join(s.Prepare(t.Context(), id), s.Warm(t.Context())); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	wantProblem(t, s.Warm(t.Context()), unreachable)
}

func TestFailingTool(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "failing")
	s := newTest(t, server, "failing", fakeDump(t, "fail"))
	err := s.Prepare(t.Context(), id)
	wantProblem(t, err, dumpFailed)
	if !strings.HasSuffix(err.Error(), "exit code 2: mariadb-dump: Got error: as configured") {
		t.Errorf("error %q", err)
	}
	leftovers(t, s)

	// A tool that fails under the lock only.
	s = newTest(t, server, "failing", nil)
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.prepared.tool.path = filepath.Join(fakeBin(t, mariadbVersion+"\nfail"), "mariadb-dump")
	_, err = s.Capture(t.Context(), id)
	wantProblem(t, err, dumpFailed)
}

// leftovers fails if anything but complete dumps is in the work folder.
func leftovers(t *testing.T, s *strategy) {
	t.Helper()
	entries, err := os.ReadDir(s.env.WorkDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := providers.ParseBackupID(e.Name()); err != nil {
			t.Errorf("left: %s", e.Name())
		}
	}
}

func wantProblem(t *testing.T, err error, summary string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Summary != summary {
		t.Fatalf("got %v, want %s", err, summary)
	}
	if p.Remedy == "" {
		t.Errorf("%s has no remedy", summary)
	}
}
