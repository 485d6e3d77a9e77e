package postgresql

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/problem"
)

// TestADumpOfANewerClientIsRestored acts out a client of version 18: a setting
// that only newer servers know is no reason to lose a backup, all else is.
func TestADumpOfANewerClientIsRestored(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "newer client")
	bin := fakeBin(t, "18.1 newer")
	s := newTest(t, server, "newer client", func(c *Config) { c.BinDir = bin })
	r, err := s.Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != toolNewer || r.Findings[0].Severity != problem.Warning {
		t.Errorf("%v %v", r.Findings, err)
	}
	a := backup(t, s, nil)
	into := newTest(t, server, "older server", func(c *Config) { c.BinDir = bin })
	t.Cleanup(func() { dropDatabase(t, server, "older server") })
	if err := (restorer{strategy: into}).Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, server, "older server", "SELECT count(*) || '' FROM push"); got != "1000" {
		t.Errorf("%s rows", got)
	}
	files, err := filepath.Glob(filepath.Join(a.Dir(), "*.dat.gz"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	dropDatabase(t, server, "older server")
	wantProblem(t, (restorer{strategy: into}).Restore(t.Context(), a), restoreFailed)
}

func TestTheClientOfTheServersVersionIsUsed(t *testing.T) {
	one := fakeBin(t, "18.1 real")
	two := fakeBin(t, "15.2 real")
	three := fakeBin(t, "16.4 real")
	t.Setenv("PATH", one)
	s := newTest(t, sharedServer(t), "postgres", nil)
	s.clientPlaces = []string{two, three}
	for _, c := range []struct {
		server version
		want   string
	}{{150000, two}, {160001, three}, {140000, two}, {170000, one}, {180000, one}} {
		got, missing := s.dumpTool(t.Context(), c.server)
		if missing != nil || filepath.Dir(got.path) != c.want {
			t.Errorf("server %s: %+v %v", c.server, got, missing)
		}
	}
	if _, missing := s.dumpTool(t.Context(), 190000); missing == nil || !strings.Contains(missing.Detail, "18.1, the server is 19.0") {
		t.Errorf("%v", missing)
	}
}

func TestRestoreErrors(t *testing.T) {
	for text, want := range map[string]string{
		"pg_restore: error: could not execute query: ERROR:  relation \"a\" does not exist\nCommand was: CREATE VIEW\n x":    "relation",
		"pg_restore: error: could not execute query: ERROR:  permission denied\nCommand was: SET transaction_timeout = 0;\n": "permission denied",
		"pg_restore: error: connection to server failed\n":                                                                   "connection",
		harmlessStatement + "\n": "",
	} {
		r := &restoreErrors{fail: func() {}}
		for i := range text { // in pieces
			_, _ = r.Write([]byte(text[i : i+1]))
		}
		if got := r.reason(); (want == "") != (got == "") || !strings.Contains(got, want) || r.harmless() != (want == "") {
			t.Errorf("%q: reason %q", text, got)
		}
	}
}
