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

	"bkp/internal/catalog"
	"bkp/internal/cli"
	"bkp/internal/pgserver"
	"bkp/internal/sandbox"
)

// TestSoak makes many backups in a row under load, restores each and proves it
// consistent. BKP_SOAK sets how many; `make soak` makes 100 of each kind.
func TestSoak(t *testing.T) {
	runs := 3
	if n, err := strconv.Atoi(os.Getenv("BKP_SOAK")); err == nil {
		runs = n
	}
	t.Run("embedded", func(t *testing.T) { soak(t, runs, sandbox.Embedded, nil) })
	t.Run("postgresql", func(t *testing.T) {
		dir := filepath.Join(os.TempDir(), fmt.Sprintf("bkp-soak-pg-%d", os.Getpid()))
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		pg, err := pgserver.Start(t.Context(), dir)
		if err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err, "; install it: make deps")
		}
		t.Cleanup(func() { _ = pg.Stop() })
		if err := pg.CreateDatabase(t.Context(), "bitbucket"); err != nil {
			t.Fatal(err)
		}
		soak(t, runs, pg.URL("bitbucket"), pg)
	})
}

func soak(t *testing.T, runs int, database string, pg *pgserver.Server) {
	dir := t.TempDir()
	home := filepath.Join(dir, "home")
	var options sandbox.HomeOptions
	options.Repositories, options.Commits = 6, 5
	if pg != nil {
		options.Database = database
	}
	h, err := sandbox.CreateHome(t.Context(), home, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	server := sandbox.NewServer(sandbox.Options{})
	ts := httptest.NewServer(server)
	t.Cleanup(ts.Close)
	writeSoakConfig(t, dir, ts.URL, pg)

	bkp := func(args ...string) {
		t.Helper()
		var out bytes.Buffer
		streams := cli.IO{In: &bytes.Buffer{}, Out: &out, Err: &out, Hurry: context.Background()}
		if code := cli.Run(t.Context(), append([]string{"--chdir", dir}, args...), streams); code != 0 {
			t.Fatalf("bkp %v: exit code %d\n%s", args, code, out.String())
		}
	}
	pushes := 0
	for n := range runs {
		// The users push during the backup only: if they went on during the
		// check, it would take longer each time, and they would push more.
		load := sandbox.StartLoad(t.Context(), server, h, sandbox.LoadOptions{Writers: 4, Pause: 50 * time.Millisecond})
		bkp("apply", "--auto-approve")
		if err := load.Stop(); err != nil {
			t.Fatal(err)
		}
		pushes += load.Pushes()
		entries, bad := catalog.Catalog{Dir: filepath.Join(dir, "state", "catalog")}.List()
		if len(entries) == 0 || len(bad) > 0 {
			t.Fatalf("catalog %v, %v", entries, bad)
		}
		id := string(entries[0].Manifest.ID)
		target := filepath.Join(dir, "restored")
		check := database
		args := []string{"restore", id, "--home", target, "--auto-approve"}
		if pg != nil {
			name := fmt.Sprintf("copy%d", n)
			args = append(args, "--database", name)
			check = pg.URL(name)
		}
		bkp(args...)
		report, err := sandbox.Check(t.Context(), target, check)
		if err != nil || len(report.Failures) > 0 {
			t.Fatalf("backup %d of %d, %s, is not consistent: %v %v", n+1, runs, id, report.Failures, err)
		}
		if err := os.RemoveAll(target); err != nil {
			t.Fatal(err)
		}
		if (n+1)%10 == 0 {
			t.Logf("%d of %d backups restored and consistent, %d pushes so far", n+1, runs, pushes)
		}
	}
	if !server.State().Idle() {
		t.Errorf("left in state %+v", server.State())
	}
	t.Logf("%d backups, each restored and consistent; %d pushes meanwhile", runs, pushes)
}

func writeSoakConfig(t *testing.T, dir, url string, pg *pgserver.Server) {
	t.Helper()
	database, block := "database.embedded.main", `database "embedded" "main" {}`
	if pg != nil {
		database = "database.postgresql.main"
		block = fmt.Sprintf("database \"postgresql\" \"main\" {\n  host = %q\n  port = %d\n  database = \"bitbucket\"\n  username = %q\n  password = env(\"BKP_SOAK_PASSWORD\")\n}",
			pg.Host(), pg.Port(), pg.User())
		t.Setenv("BKP_SOAK_PASSWORD", pg.Password())
	}
	t.Setenv("BKP_SOAK_ADMIN", "admin")
	text := fmt.Sprintf(`
bkp { state_dir = %q }
instance "soak" {
  url       = %q
  username  = "admin"
  password  = env("BKP_SOAK_ADMIN")
  home      = home.mirror.shared
  database  = %s
  archives  = [archive.tar.local]
  retention = retention.few
}
home "mirror" "shared" { path = %q }
%s
archive "tar" "local" { destination = %q }
retention "few" { keep_last = 3 }
`, filepath.Join(dir, "state"), url, database, filepath.Join(dir, "home"), block, filepath.Join(dir, "archives"))
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
