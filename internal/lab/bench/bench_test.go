package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/cli"
	"bkp/internal/pgserver"
)

// TestMain lets the tests run the bench, and bkp for it, as processes of their
// own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bench": main,
		"bkp":   func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// tools skips the test where what the bench compares with is not there.
func tools(t *testing.T) {
	t.Helper()
	_, err := pgserver.BinDir()
	for _, tool := range []string{"bash", "git", "rsync", "tar", "pg_dump", "pg_restore"} {
		if _, missing := exec.LookPath(tool); missing != nil {
			err = errors.Join(err, missing)
		}
	}
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err, "; install it: make deps")
	}
}

// tiny is a bench of a few files; it takes seconds.
func tiny(dir string, more ...string) []string {
	return append([]string{"--dir", dir, "--program", "", "--files", "300", "--bytes", "1000000", "--database", "9000000",
		"--repositories", "2", "--users", "2", "--pause", "20ms", "--drain", "20ms"}, more...)
}

// folder is one for a bench: in memory, where the system has that, and open to
// the user that the database server runs as.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "bkp-bench-test-")
	if err != nil {
		dir, err = os.MkdirTemp("", "bkp-bench-test-")
	}
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// empty fails the test if a bench left something behind.
func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// scripts stand in for Atlassian's. They read the same settings, fail the
// first time as rsync makes theirs fail, and then back up by the article.
const scripts = `set -e
cd "$(dirname "$0")"
. ./bitbucket.diy-backup.vars.sh
[ -e again ] || { touch again; echo 'rsync: some files vanished' >&2; exit 24; }
[ "$BACKUP_DISK_TYPE $BACKUP_DATABASE_TYPE $BACKUP_ARCHIVE_TYPE" = 'rsync postgresql tar' ]
BENCH_ADMINISTRATOR=$BITBUCKET_BACKUP_PASS exec bench article --url "$BITBUCKET_URL" --user "$BITBUCKET_BACKUP_USER" \
  --home "$BITBUCKET_HOME" --root "$BITBUCKET_BACKUP_ROOT" --archive "$BITBUCKET_BACKUP_ARCHIVE_ROOT/it-is.tar.gz" \
  --db-host "$POSTGRES_HOST" --db-port "$POSTGRES_PORT" --db-user "$POSTGRES_USERNAME" --database "$BITBUCKET_DB"
`

// TestRun makes the smallest possible run of everything that make bench does.
func TestRun(t *testing.T) {
	tools(t)
	dir, docs, peer := folder(t), t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(peer, peerScript):        scripts,
		filepath.Join(peer, "README.md"):       "not to be copied",
		filepath.Join(docs, "performance.md"):  "before\n" + marker("backups") + "\nold\n" + end + "\nafter\n",
		filepath.Join(docs, "performance.svg"): "old",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "bench", tiny(dir, "--methods", "mirror,article", "--rounds", "1", "--peer", peer, "--out", docs, "--note", "measured here")...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	empty(t, dir)
	page, err := os.ReadFile(filepath.Join(docs, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"before\n", "\nafter\n", "database of 9.", "\n\nmeasured here\n\n|", "(performance.svg)", "### 1×: 300 files", `| bkp, home "mirror" | the article's method | Atlassian's scripts |`,
		"| DRAINED to complete | **", "| of that, until DRAINED was noticed | **", "| DRAINED to complete, as the tool reports | **", "| restored and consistent | 2 of 2 |", "A run of Atlassian's scripts failed and was made again: ", "rsync: some files vanished",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(string(page), "old") {
		t.Errorf("the page has the old table:\n%s", page)
	}
	picture, err := os.ReadFile(filepath.Join(docs, "performance.svg"))
	if err != nil || !bytes.Contains(picture, []byte("Atlassian")) || !wellFormed(picture) {
		t.Errorf("no picture: %v\n%.500s", err, picture)
	}
	if entries, _ := os.ReadDir(peer); len(entries) != 2 {
		t.Errorf("the checkout was written to: %v", entries)
	}
}

// TestAnotherBuildIsMeasuredBeside: the build named by --before is started, by
// itself and with folders of its own.
func TestAnotherBuildIsMeasuredBeside(t *testing.T) {
	tools(t)
	dir, calls := folder(t), filepath.Join(t.TempDir(), "calls")
	before := filepath.Join(t.TempDir(), "earlier")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s\nexec bkp \"$@\"\n", calls)
	if err := os.WriteFile(before, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "bench", tiny(dir, "--methods", "mirror", "--rounds", "1", "--before", before)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte(`| bkp, home "mirror" | bkp, home "mirror", before |`)) {
		t.Errorf("no column of its own:\n%s", out)
	}
	called, err := os.ReadFile(calls)
	if applied := strings.Count(string(called), " apply "); err != nil || applied != 2 || strings.Count(string(called), "bkp-mirror-before apply") != applied {
		t.Errorf("the other build was called so: %s, %v", called, err)
	}
}

// TestTheDatabaseLiesWhereItIsTold: what is measured is the disk that was named.
func TestTheDatabaseLiesWhereItIsTold(t *testing.T) {
	tools(t)
	for name, c := range map[string]runCmd{
		"with the data": {place: place{Dir: folder(t)}},
		"by itself":     {place: place{Dir: folder(t)}, DatabaseDir: folder(t)},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.folders(func(f folders) error {
				s, err := openSite(t.Context(), f, size{Files: 10, Bytes: 10_000, Database: 1, Repositories: 1}, load{})
				if err != nil {
					return err
				}
				where := cmp.Or(c.DatabaseDir, c.Dir) + string(filepath.Separator)
				if !strings.HasPrefix(s.pg.Dir(), where) || !strings.HasPrefix(s.homeDir(), c.Dir) {
					t.Errorf("the database lies in %s, the home in %s", s.pg.Dir(), s.homeDir())
				}
				return s.Close()
			})
			if err != nil {
				t.Error(err)
			}
			for _, dir := range []string{c.Dir, c.DatabaseDir} {
				if dir != "" {
					empty(t, dir)
				}
			}
		})
	}
}

// TestNotEnoughRoom: a bench does not fill a disk, neither that of the data nor
// that of the database.
func TestNotEnoughRoom(t *testing.T) {
	tools(t)
	data, database := folder(t), folder(t)
	for _, more := range [][]string{
		{"--bytes", "1000000000000000"},
		{"--database", "1000000000000000"},
		{"--bytes", "1000000000000000", "--database-dir", database},
		{"--database", "1000000000000000", "--database-dir", database},
	} {
		out, err := exec.CommandContext(t.Context(), "bench", tiny(data, more...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "not enough room") || !strings.Contains(string(out), "hint: name another folder") {
			t.Errorf("%v: %v\n%s", more, err, out)
		}
		empty(t, data)
		empty(t, database)
	}
}

func wellFormed(text []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := d.Token(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// interrupt starts a bench, waits until it says what it is to wait for,
// interrupts it, and returns everything it said.
func interrupt(t *testing.T, at string, args ...string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no interrupt to send")
	}
	dir := folder(t)
	cmd := exec.CommandContext(t.Context(), "bench", tiny(dir, args...)...)
	words, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		_ = write.Close()
	}()
	var all strings.Builder
	said := bufio.NewScanner(words)
	for said.Scan() {
		all.WriteString(said.Text() + "\n")
		if !strings.Contains(said.Text(), at) {
			continue
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; cmd.ProcessState.ExitCode() != 1 || !strings.Contains(all.String(), "interrupt signal received") {
		t.Errorf("%v\n%s", err, all.String())
	}
	empty(t, dir)
	return all.String()
}

// TestInterrupt ends a bench in the middle of a backup.
func TestInterrupt(t *testing.T) {
	tools(t)
	interrupt(t, "backs up", "--methods", "mirror", "--rounds", "1", "--drain", "1h")
}

// TestInterruptKeepsWholeRounds: what was measured side by side is recorded,
// and nothing of a round that did not end.
func TestInterruptKeepsWholeRounds(t *testing.T) {
	tools(t)
	docs := t.TempDir()
	page := filepath.Join(docs, "performance.md")
	if err := os.WriteFile(page, []byte(marker("backups")+"\n"+end+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := interrupt(t, "article's method backs up, round 2", "--methods", "mirror,article", "--rounds", "9", "--out", docs)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"the page": string(text), "what it printed": said} {
		if !strings.Contains(text, "\nMedian and range of 1 run;") || !strings.Contains(text, "| restored and consistent | 2 of 2 |") || strings.Contains(text, " ms to ") {
			t.Errorf("%s does not have the first round alone:\n%s", name, text)
		}
	}
}

func TestPasses(t *testing.T) {
	tools(t)
	for _, args := range [][]string{
		{"passes", "--files", "300", "--bytes", "100000", "--rounds", "1"},
		{"tracked", "--files", "300", "--bytes", "100000", "--rounds", "2", "--changes", "30"},
	} {
		dir := folder(t)
		out, err := exec.CommandContext(t.Context(), "bench", append(args, "--dir", dir)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "| pass under the lock |") && !strings.Contains(string(out), "times as fast |") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		empty(t, dir)
	}
}

// TestArchives measures the kinds of archives that need nothing of make beds.
func TestArchives(t *testing.T) {
	tools(t)
	dir := folder(t)
	out, err := exec.CommandContext(t.Context(), "bench", "archives", "--kinds", "tar,age", "--files", "300", "--bytes", "100000", "--repositories", "10", "--rounds", "1", "--dir", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"\n| store, first |", "\n| store, 1 % pushed to |", "\n| store, 10 % packed anew |", "\n| restore |", "\n| tar and age in a folder | **", "\n| tar xzf | **"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	empty(t, dir)
}
