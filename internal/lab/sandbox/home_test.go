package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bkp/internal/mysqlserver"
	"bkp/internal/pgserver"
)

func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("git is missing; install it with: make deps")
	}
	t.Skip("git is missing; install it with: make deps")
}

// postgresURL starts a server and returns the URL of an empty database.
func postgresURL(t *testing.T) string {
	t.Helper()
	server, err := pgserver.Start(t.Context(), t.TempDir())
	if errors.Is(err, pgserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skipf("%v; install it with: make deps", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := server.CreateDatabase(t.Context(), "bitbucket"); err != nil {
		t.Fatal(err)
	}
	return server.URL("bitbucket")
}

// mysqlURL is postgresURL for MariaDB.
func mysqlURL(t *testing.T) string {
	t.Helper()
	server, err := mysqlserver.Start(t.Context(), t.TempDir())
	if errors.Is(err, mysqlserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skipf("%v; install it with: make deps", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := server.CreateDatabase(t.Context(), "bitbucket"); err != nil {
		t.Fatal(err)
	}
	return server.URL("bitbucket")
}

func newHome(t *testing.T, o HomeOptions) *Home {
	t.Helper()
	h, err := CreateHome(t.Context(), filepath.Join(t.TempDir(), "home"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// restored returns a copy of the home without what a restore leaves out.
func restored(t *testing.T, h *Home) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	if err := os.CopyFS(dir, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".lock", "shared/.lock"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func usage(t *testing.T, dir string) (files int, bytes int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		bytes += info.Size()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, bytes
}

func TestHomeIsGit(t *testing.T) {
	needGit(t)
	store := filepath.Join(t.TempDir(), "store")
	h := newHome(t, HomeOptions{Repositories: 4, DataStore: store})
	for _, r := range h.repositories {
		out, err := exec.CommandContext(t.Context(), "git", "--git-dir="+r.git.Dir(), "fsck", "--full", "--strict").CombinedOutput()
		if err != nil || strings.Contains(string(out), "dangling") {
			t.Errorf("repository %d: %v: %s", r.id, err, out)
		}
		if (r.id%2 == 0) != strings.HasPrefix(r.git.Dir(), store) {
			t.Errorf("repository %d lies in %s", r.id, r.git.Dir())
		}
	}
	if ok, _ := regexp.MatchString(`/repositories/[0-9a-f]{2}/[0-9a-f]{2}/2$`, filepath.ToSlash(h.repositories[1].git.Dir())); !ok {
		t.Errorf("in the data store: %s", h.repositories[1].git.Dir())
	}
}

func TestHomeHasTheSizeAskedFor(t *testing.T) {
	h := newHome(t, HomeOptions{Repositories: 5, Files: 2000, Bytes: 20e6})
	files, bytes := usage(t, h.dir)
	if files < 1900 || files > 2100 || bytes < 19e6 || bytes > 22e6 {
		t.Errorf("%d files, %d bytes", files, bytes)
	}
}

func TestHomeIsNotWrittenOver(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateHome(t.Context(), dir, HomeOptions{}); err == nil {
		t.Error("made in a folder in use")
	}
	if _, err := CreateHome(t.Context(), filepath.Join(t.TempDir(), "home"), HomeOptions{DataStore: dir}); err == nil {
		t.Error("a data store in use was taken")
	}
	if files, _ := usage(t, dir); files != 1 {
		t.Errorf("%d files in the folder", files)
	}
}

func TestProperties(t *testing.T) {
	text, err := jdbc("postgres://bit:p%5Cw@db.example.com:5433/bitbucket?sslmode=disable")
	want := "jdbc.driver=org.postgresql.Driver\njdbc.url=jdbc:postgresql://db.example.com:5433/bitbucket\njdbc.user=bit\njdbc.password=p\\\\w\n"
	if err != nil || text != want {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := jdbc("postgres://bit:hidden@db:port/x"); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a bad URL: %v", err)
	}
}

func TestUnknownDatabase(t *testing.T) {
	_, err := CreateHome(t.Context(), filepath.Join(t.TempDir(), "home"), HomeOptions{Database: "oracle://u:hidden@h/d"})
	if err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got %v", err)
	}
	for _, url := range []string{"mysql://u:hidden@h", "mysql://u:hidden@h/d?tls=true"} {
		if _, err := jdbc(url); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got %v", url, err)
		}
	}
	text, err := jdbc("mysql://bit:a%5Cb@db/bucket")
	if want := "jdbc.driver=com.mysql.cj.jdbc.Driver\njdbc.url=jdbc:mysql://db:3306/bucket\njdbc.user=bit\njdbc.password=a\\\\b\n"; err != nil || text != want {
		t.Errorf("%v\n%s", err, text)
	}
}

// load runs the load until it has pushed n times more.
func await(t *testing.T, l *Load, n int) {
	t.Helper()
	awaitThat(t, func() bool { return l.Pushes() >= n })
}

func awaitThat(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not happen in time")
		case <-tick.C:
		}
	}
}

func TestLoadUnderLock(t *testing.T) {
	needGit(t)
	for kind, url := range map[string]func(*testing.T) string{
		Embedded: func(*testing.T) string { return Embedded }, "postgresql": postgresURL, "mysql": mysqlURL,
	} {
		t.Run(kind, func(t *testing.T) { loadUnderLock(t, url(t)) })
	}
}

// TestUsersTire: within an hour in which nobody is slow, a user whose pause doubles with
// each push pushes as often as an hour's milliseconds can be halved.
func TestUsersTire(t *testing.T) {
	needGit(t)
	h := newHome(t, HomeOptions{Database: Embedded})
	synctest.Test(t, func(t *testing.T) {
		l := StartLoad(t.Context(), NewServer(Options{}), h, LoadOptions{Writers: 1, Pause: time.Millisecond, Tiring: 1})
		<-time.After(time.Hour)
		if err := l.Stop(); err != nil || l.Pushes() < 10 || l.Pushes() > 23 {
			t.Errorf("%d pushes, %v", l.Pushes(), err)
		}
	})
}

func loadUnderLock(t *testing.T, url string) {
	s := NewServer(Options{})
	h := newHome(t, HomeOptions{Database: url})
	l := StartLoad(t.Context(), s, h, LoadOptions{Pause: time.Millisecond})
	defer func() {
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	}()
	await(t, l, 50)
	token, _, err := s.machine.lock(Owner{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.machine.start(token, drain{}); err != nil {
		t.Fatal(err)
	}
	awaitThat(t, func() bool { return s.State().Database == Drained })

	before := fingerprint(t, h, url)
	refused := s.Users().Unavailable
	awaitThat(t, func() bool { return s.Users().Unavailable > refused+50 })
	if after := fingerprint(t, h, url); after != before {
		t.Errorf("written between drained and complete: %+v, then %+v", before, after)
	}
	// What lies there now is consistent while users try to write.
	if r, err := Check(t.Context(), Checking{Home: restored(t, h), Database: url}); err != nil || len(r.Failures) > 0 {
		t.Errorf("captured under the lock: %v, %v", r.Failures, err)
	}
	if err := s.machine.progress(token, 100); err != nil {
		t.Fatal(err)
	}
	if err := s.machine.unlock(token); err != nil {
		t.Fatal(err)
	}
	await(t, l, l.Pushes()+20)
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	r, err := Check(t.Context(), Checking{Home: restored(t, h), Database: url})
	if err != nil || len(r.Failures) > 0 {
		t.Errorf("after the load: %v, %v", r.Failures, err)
	}
	if r.Repositories != 4 || r.Pushes != 4+l.Pushes() || r.Branches <= 4 {
		t.Errorf("counts %+v with %d pushes of the load", r, l.Pushes())
	}
	if u := s.Users(); u.Longest <= 0 || u.Failed > 0 || u.OK != l.Pushes() {
		t.Errorf("users saw %+v of %d pushes", u, l.Pushes())
	}
}

// seen is a cheap picture of everything that the load writes.
type seen struct {
	files  int
	bytes  int64
	pushes int
}

func fingerprint(t *testing.T, h *Home, url string) seen {
	t.Helper()
	files, bytes := usage(t, h.dir)
	rows, err := ReadDatabase(t.Context(), h.dir, url)
	if err != nil {
		t.Fatal(err)
	}
	return seen{files, bytes, len(rows.Pushes)}
}

func TestPushGoesBackWithoutItsRow(t *testing.T) {
	needGit(t)
	h := newHome(t, HomeOptions{})
	r := h.repositories[0]
	main := r.tips["main"]
	if err := h.Close(); err != nil { // the database is gone
		t.Fatal(err)
	}
	for _, branch := range []string{"main", "new"} {
		if err := h.push(t.Context(), r, branch, []byte("x")); err == nil {
			t.Fatal("a push without a database succeeded")
		}
	}
	if r.tips["main"] != main {
		t.Error("the branch is remembered elsewhere")
	}
	if c, err := Check(t.Context(), Checking{Home: restored(t, h), Database: Embedded}); err != nil || len(c.Failures) > 0 {
		t.Errorf("after the failure: %v, %v", c.Failures, err)
	}
}
