package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"bkp/internal/cli"
	"bkp/internal/lab/sandbox"
	"bkp/internal/mysqlserver"
	"bkp/internal/pgserver"
	"bkp/internal/records/catalog"
)

// TestSoak makes many backups in a row under load, restores each and proves it
// consistent. BKP_SOAK sets how many; `make soak` makes 100 of each kind.
func TestSoak(t *testing.T) {
	runs := soakRuns(3)
	t.Run("embedded", func(t *testing.T) { soak(t, runs, "mirror", "embedded", nil) })
	t.Run("postgresql", func(t *testing.T) {
		pg, err := pgserver.Start(t.Context(), soakServerDir(t))
		needSoakServer(t, err)
		t.Cleanup(func() { _ = pg.Stop() })
		for _, home := range []string{"mirror", "rsync"} {
			t.Run(home, func(t *testing.T) { soak(t, runs, home, "postgresql", pg) })
		}
	})
	t.Run("mysql", func(t *testing.T) {
		my, err := mysqlserver.Start(t.Context(), soakServerDir(t))
		needSoakServer(t, err)
		t.Cleanup(func() { _ = my.Stop() })
		soak(t, runs, "mirror", "mysql", my)
	})
}

// soakRuns is how many backups are made: as many as BKP_SOAK says.
func soakRuns(otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("BKP_SOAK")); err == nil {
		return n
	}
	return otherwise
}

// soakServer is a database server; the embedded database has none.
type soakServer interface {
	Host() string
	Port() int
	User() string
	Password() string
	URL(database string) string
	CreateDatabase(ctx context.Context, name string) error
}

// soakServerDir is no test's folder: an account without rights must get in.
func soakServerDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "bkp-soak")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "server")
}

func needSoakServer(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err, "; install it: make deps")
}

func soak(t *testing.T, runs int, homeKind, databaseKind string, db soakServer) {
	dir := t.TempDir()
	var options sandbox.HomeOptions
	options.Repositories, options.Commits = 6, 5
	live := "soak_" + homeKind
	if db != nil {
		if err := db.CreateDatabase(t.Context(), live); err != nil {
			t.Fatal(err)
		}
		options.Database = db.URL(live)
	}
	h, err := sandbox.CreateHome(t.Context(), filepath.Join(dir, "home"), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	server := sandbox.NewServer(sandbox.Options{})
	ts := httptest.NewServer(server)
	t.Cleanup(ts.Close)
	writeSoakConfig(t, dir, ts.URL, homeKind, databaseKind, live, db)

	pushes := 0
	for n := range runs {
		// The users push during the backup only: if they went on during the
		// check, it would take longer each time, and they would push more.
		load := sandbox.StartLoad(t.Context(), server, h, sandbox.LoadOptions{Writers: 4, Pause: 50 * time.Millisecond})
		soakRun(t, dir, "apply", "--auto-approve")
		if err := load.Stop(); err != nil {
			t.Fatal(err)
		}
		pushes += load.Pushes()
		soakRestore(t, dir, fmt.Sprintf("copy_%s_%d", homeKind, n), db)
		if (n+1)%10 == 0 {
			t.Logf("%d of %d backups restored and consistent, %d pushes so far", n+1, runs, pushes)
		}
	}
	if !server.State().Idle() {
		t.Errorf("left in state %+v", server.State())
	}
	t.Logf("%d backups, each restored and consistent; %d pushes meanwhile", runs, pushes)
}

// soakRestore restores the newest backup, beside the home and into a database of
// its own, and proves it consistent; each of the looks then sees it.
func soakRestore(t *testing.T, dir, name string, db soakServer, looks ...func(restored string)) {
	t.Helper()
	entries, bad := catalog.Catalog{Dir: filepath.Join(dir, "state", "catalog")}.List()
	if len(entries) == 0 || len(bad) > 0 {
		t.Fatalf("catalog %v, %v", entries, bad)
	}
	id, target, check := string(entries[0].Manifest.ID), filepath.Join(dir, "restored"), sandbox.Embedded
	args := []string{"restore", id, "--home", target, "--auto-approve"}
	if db != nil {
		args, check = append(args, "--database", name), db.URL(name)
	}
	soakRun(t, dir, args...)
	report, err := sandbox.Check(t.Context(), sandbox.Checking{Home: target, Database: check})
	if err != nil || len(report.Failures) > 0 {
		t.Fatalf("backup %s is not consistent: %v %v", id, report.Failures, err)
	}
	for _, look := range looks {
		look(target)
	}
	if err := os.RemoveAll(target); err != nil {
		t.Fatal(err)
	}
}

func soakRun(t *testing.T, dir string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	streams := cli.IO{In: &bytes.Buffer{}, Out: &out, Err: &out, Hurry: context.Background()}
	t.Chdir(dir) // until the test ends: --chdir would stay for those after it
	if code := cli.Run(t.Context(), args, streams); code != 0 {
		t.Fatalf("bkp %v: exit code %d\n%s", args, code, out.String())
	}
}

func writeSoakConfig(t *testing.T, dir, url, home, database, name string, db soakServer) {
	t.Helper()
	block := fmt.Sprintf("database %q \"main\" {}", database)
	if db != nil {
		block = fmt.Sprintf("database %q \"main\" {\n  host = %q\n  port = %d\n  database = %q\n  username = %q\n  password = env(\"BKP_SOAK_PASSWORD\")\n}",
			database, db.Host(), db.Port(), name, db.User())
		t.Setenv("BKP_SOAK_PASSWORD", db.Password())
	}
	t.Setenv("BKP_SOAK_ADMIN", "admin")
	text := fmt.Sprintf(`
bkp { state_dir = %q }
instance "soak" {
  url       = %q
  username  = "admin"
  password  = env("BKP_SOAK_ADMIN")
  home      = home.%[3]s.shared
  database  = database.%[4]s.main
  archives  = [archive.tar.local]
  retention = retention.few
}
home %[3]q "shared" { path = %[5]q }
%[6]s
archive "tar" "local" { destination = %[7]q }
retention "few" { keep_last = 3 }
`, filepath.Join(dir, "state"), url, home, database, filepath.Join(dir, "home"), block, filepath.Join(dir, "archives"))
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
