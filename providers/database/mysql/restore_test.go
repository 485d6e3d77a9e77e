package mysql

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"bkp/internal/mysqlserver"
	"bkp/internal/secret"
	"bkp/providers"
)

func TestRestoreRefusals(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "origin")
	s := newTest(t, server, "origin", nil)
	a := backup(t, s)
	run(t, server, "", "CREATE USER IF NOT EXISTS plain@'%' IDENTIFIED BY 'x'")
	for name, c := range map[string]struct {
		set             func(*Config)
		summary, detail string
	}{
		"not empty":      {nil, targetNotEmpty, "table push"},
		"not reachable":  {func(c *Config) { c.Port = 1 }, unreachable, "127.0.0.1:1"},
		"wrong password": {func(c *Config) { c.Password = secret.New("wrong"); c.Database = "fresh" }, wrongPassword, "bkp"},
		"may not create": {func(c *Config) { c.Username, c.Password, c.Database = "plain", secret.New("x"), "fresh" }, cannotCreate, "plain"},
		"no client":      {func(c *Config) { c.BinDir, c.Database = "/missing", "fresh" }, toolMissing, "/missing"},
	} {
		t.Run(name, func(t *testing.T) {
			target := newTest(t, server, "origin", c.set)
			r, err := (restorer{strategy: target}).Check(t.Context(), a)
			if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != c.summary || !strings.Contains(r.Findings[0].Detail, c.detail) {
				t.Errorf("check: %v %v", r.Findings, err)
			}
			wantProblem(t, (restorer{strategy: target}).Restore(t.Context(), a), c.summary)
		})
	}
	if got := ask(t, server, "", "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'fresh'"); got != "0" {
		t.Error("a refused restore created its database")
	}
}

func TestFailedRestoreLeavesTheTargetAsItWas(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "whole")
	s := newTest(t, server, "whole", nil)
	a := backup(t, s)
	whole, err := os.ReadFile(filepath.Join(a.Dir(), dumpName))
	if err != nil {
		t.Fatal(err)
	}
	for damage, text := range map[string][]byte{"truncated": whole[:len(whole)-8], "unknown statement": withStatement(t, whole, "NONSENSE;")} {
		for _, existed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, existed %v", damage, existed), func(t *testing.T) {
				bad := a
				bad.Trees = providers.OneTree(t.TempDir())
				if err := os.WriteFile(filepath.Join(bad.Dir(), dumpName), text, 0o600); err != nil {
					t.Fatal(err)
				}
				if existed {
					if err := server.CreateDatabase(t.Context(), "target"); err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { dropDatabase(t, server, "target") })
				}
				target, err := s.Restorer("target")
				if err != nil {
					t.Fatal(err)
				}
				wantProblem(t, target.Restore(t.Context(), bad), restoreFailed)
				wantUntouched(t, server, "target", existed)
			})
		}
	}
}

// withStatement adds a statement to the end of a dump.
func withStatement(t *testing.T, dump []byte, statement string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return append(append([]byte{}, dump...), w.EncodeAll([]byte(statement), nil)...)
}

func wantUntouched(t *testing.T, server *mysqlserver.Server, name string, existed bool) {
	t.Helper()
	got := state(t, server, name)
	if !existed && got != nil {
		t.Errorf("the database was left behind: %v", got)
	}
	if existed && (got["tables"] != "" || got["routines"] != "" || got["events"] != "" || got["triggers"] != "") {
		t.Errorf("left in the database: %v", got)
	}
}

func TestDumpCannotRunPrograms(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "hostile")
	s := newTest(t, server, "hostile", nil)
	a := backup(t, s)
	path := filepath.Join(a.Dir(), dumpName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	proof := filepath.Join(t.TempDir(), "proof")
	if err := os.WriteFile(path, withStatement(t, whole, "\\! touch "+proof+"\nsystem touch "+proof+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := s.Restorer("hostile copy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, server, "hostile copy") })
	wantProblem(t, target.Restore(t.Context(), a), restoreFailed)
	if _, err := os.Stat(proof); err == nil {
		t.Error("a dump ran a program")
	}
}

func TestCheckRestoreWarns(t *testing.T) {
	server := sharedServer(t)
	run(t, server, "", "CREATE USER own@'%' IDENTIFIED BY 'x'; GRANT ALL ON `mine`.* TO own@'%'")
	s := newTest(t, server, "mine", func(c *Config) { c.Username, c.Password = "own", secret.New("x") })
	newer, other := "MariaDB 99.1.0", "MySQL 8.0.36"
	if !isMariaDB(t, server) {
		newer, other = "MySQL 99.1.0", "MariaDB 10.11.6"
	}
	for summary, facts := range map[string]map[string]string{
		serverOlder:     {factServerVersion: newer},
		serverOther:     {factServerVersion: other},
		packetSmaller:   {factPacket: "1073741824"},
		foreignDefiners: {factDefiners: `{"view a":"own@%","view b":"other@%"}`},
	} {
		r, err := (restorer{strategy: s}).Check(t.Context(), providers.Artifact{Facts: facts})
		if err != nil || r.Failed() || len(r.Findings) != 1 || r.Findings[0].Summary != summary {
			t.Errorf("%s: %v %v", summary, r.Findings, err)
		}
	}
}

// A dump is read by a client that knows commands of its own: run a program,
// write a file, read one.
func TestHostileDumpReachesNoFile(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "hostile")
	s := newTest(t, server, "hostile", nil)
	a := backup(t, s)
	whole, err := os.ReadFile(filepath.Join(a.Dir(), dumpName))
	if err != nil {
		t.Fatal(err)
	}
	secrets := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secrets, []byte("CREATE TABLE stolen (line TEXT);\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"short command": "\\! touch WRITTEN", "command": "system touch WRITTEN", "tee": "tee WRITTEN", "short tee": "\\T WRITTEN",
		"pager": "pager cat > WRITTEN\nSELECT 1;", "source": "source SECRET", "short source": "\\. SECRET",
		"file of the client": "CREATE TABLE stolen (line TEXT);\nLOAD DATA LOCAL INFILE 'SECRET' INTO TABLE stolen;",
	} {
		t.Run(name, func(t *testing.T) {
			written := filepath.Join(t.TempDir(), "written")
			bad := a
			bad.Trees = providers.OneTree(t.TempDir())
			text := strings.NewReplacer("WRITTEN", written, "SECRET", secrets).Replace(text)
			if err := os.WriteFile(filepath.Join(bad.Dir(), dumpName), withStatement(t, whole, "\n"+text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			target, err := s.Restorer("target")
			if err != nil {
				t.Fatal(err)
			}
			wantProblem(t, target.Restore(t.Context(), bad), restoreFailed)
			if _, err := os.Lstat(written); err == nil {
				t.Error("the client did what the dump asks")
			}
			wantUntouched(t, server, "target", false)
		})
	}
}

// A BLOB takes twice its size in a dump, so a row that the server holds may be
// more than it takes back.
func TestRestoreNeedsALargerPacket(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "large")
	run(t, server, "large", "CREATE TABLE b (i INT PRIMARY KEY, v LONGBLOB); INSERT INTO b VALUES (1, REPEAT(x'00ff41', 3000000))")
	before := ask(t, server, "", "SELECT @@global.max_allowed_packet")
	t.Cleanup(func() {
		if err := server.Exec(context.Background(), "", "SET GLOBAL max_allowed_packet = "+before); err != nil {
			t.Error(err)
		}
	})
	run(t, server, "", "SET GLOBAL max_allowed_packet = 16777216")
	a := backup(t, newTest(t, server, "large", nil))
	target, err := newTest(t, server, "large", nil).Restorer("large copy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, server, "large copy") })
	r, err := target.Check(t.Context(), a)
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != packetTooSmall {
		t.Fatalf("%v %v", r.Findings, err)
	}
	wantProblem(t, target.Restore(t.Context(), a), packetTooSmall)
	_, need, _ := strings.Cut(r.Findings[0].Remedy, "max_allowed_packet = ")
	need, _, _ = strings.Cut(need, "\n")
	run(t, server, "", "SET GLOBAL max_allowed_packet = "+need)
	if err := target.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, server, "large copy", "SELECT v = REPEAT(x'00ff41', 3000000) FROM b"); got != "1" {
		t.Errorf("got %q", got)
	}
}
