package main

import (
	"encoding/base64"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/cli"
	"bkp/internal/lab/torture/trace"
	"bkp/internal/mysqlserver"
	"bkp/internal/pgserver"
)

// TestMain lets the tests run bkp as a process of its own, and be what the
// tracer starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == trace.Command {
		_ = trace.Exec(os.Args[2:])
		os.Exit(1)
	}
	testscript.Main(m, map[string]func(){
		"bkp": func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// found are cases in which bkp once broke a promise, each with what it did.
var found = map[string]string{
	"embedded/mirror/again guardian write instance:POST:/mvc/maintenance/lock 1 kill-after":                      "the token died with bkp",
	"embedded/mirror/first bkp write pipe:lease 1 hang":                                                          "a token not yet handed over, for longer than the budget",
	"embedded/rsync/first bkp write archives/ID/.manifest.json.partial 1 error:ENOSPC":                           "a torn manifest got its name, and every later plan failed",
	"embedded/rsync/again bkp rename state/catalog/ID.json 2 kill":                                               "a good backup that no list showed, and a temporary file",
	"embedded/rsync/again bkp write pipe 2 error:EPIPE":                                                          "rsync saw the beginning of the list of changes, and the backup was torn",
	"embedded/rsync/again bkp unlink archives/.ID.reserved 1 error:EPERM":                                        "a stored backup that no list showed",
	"postgresql/mirror/again bkp unlink " + workFolder + "/database.postgresql.main/ID/toc.dat 1 error:EPERM":    "a dump stayed",
	"postgresql/mirror/first bkp sync archives/ID 3 kill":                                                        "an index half written stayed",
	"postgresql/mirror/restore bkp write " + workFolder + "/database.postgresql.main/.bkp-restore-pgpass 1 kill": "a dump stayed, and a file with a password",
	"embedded/rsync/restore bkp write STAGE/object 5 kill":                                                       "an unpacked home stayed beside the target",
	"postgresql/mirror/drill bkp sync state/catalog/drills/.ID.json# 1 kill":                                     "the beginning of a result stayed",
	"postgresql/mirror/drill pg_restore send tcp:Q:BEGIN_ 1 kill-tool":                                           "a good backup was recorded as a bad one",
	"postgresql/mirror/recover-locked bkp open state/lock 1 error:EACCES":                                        "it said that nothing is locked",
	"postgresql/mirror/recover-locked bkp sync state/journal/ID.jsonl 1 error:EIO":                               "it said that the instance is locked, and had unlocked it",
}

// sample are others, of every kind.
var sample = []string{
	"embedded/mirror/again bkp write instance:POST:/mvc/admin/backups 1 lost-reply",
	"embedded/mirror/again bkp write instance:DELETE:/mvc/maintenance/lock 1 error:ECONNRESET",
	"embedded/mirror/again bkp sync state/journal/ID.jsonl 3 error:EIO",
	"embedded/mirror/again bkp write instance:POST:/mvc/admin/backups 1 kill-all",
	"embedded/mirror/again bkp write instance:DELETE:/mvc/maintenance/lock 1 outage",
	"embedded/mirror/again bkp rename archives/ID/home.mirror.shared.tar.zst 1 kill",
	"embedded/mirror/again guardian write pipe:lease 1 kill-tool",
	"embedded/mirror/again guardian write instance:POST:/mvc/maintenance/lock 1 lost-reply",
	"embedded/mirror/first bkp open COPY/object.temp 5 error:ENOSPC",
	"embedded/rsync/again rsync rename COPY/object 1 kill-tool",
	"embedded/rsync/first rsync write COPY/object.temp 3 kill",
	"embedded/rsync/first bkp-fork exec rsync 2 error:EAGAIN",
	"embedded/rsync/recover-stored bkp unlink archives/.ID.reserved 1 kill-all",
	"embedded/rsync/resume bkp rename archives/ID/home.rsync.shared.tar.zst 1 kill",
	"mysql/mirror/again mariadb-dump send mysql:Q:START-TRANSACTION 3 kill",
	"sqlserver/mirror/again bkp write sqlserver:1:BACKUP-DATABASE 2 kill",
	"sqlserver/mirror/again bkp write sqlserver:1:BACKUP-DATABASE 2 lost-reply",
	"sqlserver/mirror/restore bkp write sqlserver:1:RESTORE-DATABASE 2 kill",
	"postgresql/mirror/again bkp write postgresql:Q:BEGIN-ISOLATION 2 kill",
	"postgresql/mirror/again bkp write instance:POST:/mvc/admin/backups/progress/client 1 crash",
	"postgresql/mirror/first pg_dump send postgresql:Q:COPY-public.push 1 lost-reply",
	"postgresql/mirror/first pg_dump open " + workFolder + "/database.postgresql.main/ID.partial/toc.dat 1 error:ENOSPC",
}

// TestTorture disturbs a few; make torture many.
func TestTorture(t *testing.T) {
	if _, err := pgserver.BinDir(); err != nil {
		skip(t, err)
	}
	if err := mysqlserver.Installed(); err != nil {
		skip(t, err)
	}
	for _, tool := range []string{"git", "rsync", "pg_dump"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip(t, err)
		}
	}
	dir := t.TempDir()
	var out strings.Builder
	g := grammar{Program: "bkp", Dir: dir, Also: append(cases(), sample...), Kills: 4, Seed: 1, Workers: 2, Budget: 4 * time.Second, Within: 2 * time.Minute}
	if err := g.run(t.Context(), &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	// A case that does not come any more tests nothing.
	if !strings.Contains(out.String(), "not reached in their run      0\n") {
		t.Error("some cases do not come in a backup any more, or kills came too late")
	}
	t.Log(out.String())
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if e.Name() != "postgresql" && e.Name() != "mysql" && e.Name() != "sqlserver" {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

func cases() []string { return slices.Sorted(maps.Keys(found)) }

func TestJournalComesFirst(t *testing.T) {
	good := []string{
		"write state/journal/ID.jsonl:lock_intent", "sync state/journal/ID.jsonl", "write instance:POST:/mvc/maintenance/lock",
		"write state/journal/ID.jsonl:locked", "sync state/journal/ID.jsonl", "write instance:POST:/mvc/admin/backups",
		"write state/journal/ID.jsonl:unlocked", "sync state/journal/ID.jsonl", "write state/journal/ID.jsonl:run_done",
	}
	if err := journaledFirst(good); err != nil {
		t.Error(err)
	}
	for i := range good {
		bad := slices.Delete(slices.Clone(good), i, i+1)
		if err := journaledFirst(bad); err == nil {
			t.Errorf("without %q all is well", good[i])
		}
	}
	bad := slices.Clone(good)
	bad[4], bad[5] = bad[5], bad[4]
	if err := journaledFirst(bad); err == nil {
		t.Error("synced too late, and all is well")
	}
}

func skip(t *testing.T, why error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why, "; install it: make deps")
}

func TestCasesAreReadAsTheyAreWritten(t *testing.T) {
	for _, c := range append(append(cases(), sample...), "postgresql/rsync/again kill-random 17") {
		f, err := parseFailure(c)
		if err != nil || f.String() != c {
			t.Errorf("%q is read as %q, %v", c, f, err)
		}
	}
	for _, c := range []string{"", "embedded/mirror/again bkp write x 1", "embedded/mirror/never bkp write x 1 kill", "embedded/mirror/again bkp write x 1 error:ENONE"} {
		if _, err := parseFailure(c); err == nil {
			t.Errorf("%q names a case", c)
		}
	}
}

// TestSampleHasEveryEffectFirst: no effect comes twice before each came once.
func TestSampleHasEveryEffectFirst(t *testing.T) {
	all := effects{}
	for _, s := range scenarios() {
		for _, name := range []string{"a", "b", "c"} {
			all[s] = append(all[s], seen{class: class{"bkp", "write", name}, count: 2})
		}
	}
	n := 3 * len(scenarios())
	once := map[string]bool{}
	for _, f := range choose(all, n, 1) {
		once[f.scenario.String()+f.class.String()] = true
	}
	if len(once) < n*3/4 { // a hang may take its turn later
		t.Errorf("of %d effects %d come in a sample of as many", n, len(once))
	}
	distinct := map[string]bool{}
	every := everyCase(all)
	for _, f := range every {
		distinct[f.String()] = true
	}
	if len(distinct) != len(every) {
		t.Errorf("%d of %d cases are distinct", len(distinct), len(every))
	}
}

// TestReportFails: a promise that was not kept is counted, named, and an error.
func TestReportFails(t *testing.T) {
	r := newReport(time.Second)
	f, err := parseFailure("embedded/mirror/again bkp write state/lock 1 kill")
	if err != nil {
		t.Fatal(err)
	}
	good := &outcome{injury: injury{failure: f, reached: true}}
	bad := &outcome{injury: injury{failure: f, reached: true}}
	bad.broken(tidy, "a file")
	bad.broken(tidy, "another")
	r.add(good)
	var out strings.Builder
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	r.add(bad)
	out.Reset()
	if err := r.write(&out); !errors.Is(err, errViolated) {
		t.Error(err)
	}
	for _, want := range []string{"distinct injected failures    1,", "litter                        1\n", "--only 'CASE'", f.String()} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestSecretsAreFoundInEveryForm(t *testing.T) {
	const secret = `sé"c/r+e t&%?XYZ`
	texts := []string{
		secret, "user:s%C3%A9%22c%2Fr%2Be+t%26%25%3FXYZ@", "73c3a922632f722b65207426253f58595a", `"password":"sé\"c/r+e t\u0026%?XYZ"`,
	}
	for _, before := range []string{"", "admin:", "me:", "a:"} {
		texts = append(texts, base64.StdEncoding.EncodeToString([]byte(before+secret+"\n")), base64.URLEncoding.EncodeToString([]byte(before+secret)))
	}
	for _, text := range texts {
		if _, ok := within("x "+text+" y", []string{secret}); !ok {
			t.Errorf("not found in %q", text)
		}
	}
	if form, ok := within("c2VjcmV0 s%C3%A9 73c3a9", []string{secret}); ok {
		t.Errorf("found %q", form)
	}
}
