package mysql

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bkp/internal/mysqlserver"
	"bkp/internal/problem"
	"bkp/providers"
)

// packetOf sets max_allowed_packet for a test, in bytes.
func packetOf(t *testing.T, server *mysqlserver.Server, bytes int) {
	t.Helper()
	before := ask(t, server, "", "SELECT @@global.max_allowed_packet")
	t.Cleanup(func() { runLate(t, server, "SET GLOBAL max_allowed_packet = "+before) })
	run(t, server, "", "SET GLOBAL max_allowed_packet = "+strconv.Itoa(bytes))
}

func TestPlanWarnsOfLongRows(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "long rows")
	packetOf(t, server, 4<<20)
	run(t, server, "long rows", "CREATE TABLE `b``1` (i INT PRIMARY KEY, v LONGBLOB, w MEDIUMTEXT); CREATE TABLE short (i INT PRIMARY KEY, v LONGBLOB);"+
		"INSERT INTO `b``1` VALUES (1, REPEAT('x', 1000000), REPEAT('y', 1000000)), (2, '', NULL);"+
		"INSERT INTO short SELECT seq, REPEAT('x', 1000000) FROM "+counting(5)+"; ANALYZE TABLE `b``1`, short")
	s := newTest(t, server, "long rows", nil)
	if r, err := s.Check(t.Context()); err != nil || len(r.Findings) > 0 {
		t.Errorf("rows of two million bytes: %v %v", r.Findings, err)
	}
	run(t, server, "long rows", "UPDATE `b``1` SET w = REPEAT('y', 1200000) WHERE i = 1; ANALYZE TABLE `b``1`")
	r, err := s.Check(t.Context())
	f := finding(r, longRows)
	if err != nil || len(r.Findings) != 1 || f == nil || f.Severity != problem.Warning || f.Detail[:len("a row of more than 2097152 bytes is in table b`1 ")] != "a row of more than 2097152 bytes is in table b`1 " {
		t.Errorf("%v %v", r.Findings, err)
	}
	if found := s.Compare([]providers.Earlier{{Artifact: providers.Artifact{Facts: map[string]string{factLongest: "99999999"}}}}); len(found) > 0 {
		t.Errorf("warned twice: %v", found)
	}
}

// What a look at the tables may miss, or has no time for, the last dump knows.
func TestPlanWarnsOfTheLastDumpsStatements(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "last dump")
	packetOf(t, server, 4<<20)
	s := newTest(t, server, "last dump", nil)
	compare := func(longest string) []providers.Finding {
		return s.Compare([]providers.Earlier{
			{Artifact: providers.Artifact{Facts: map[string]string{factLongest: longest}}},
			{Artifact: providers.Artifact{Facts: map[string]string{factLongest: "99999999"}}},
		})
	}
	if found := compare("5000000"); len(found) > 0 {
		t.Errorf("without a check: %v", found)
	}
	if _, err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := compare("5000000"); len(found) != 1 || found[0].Summary != longRows || found[0].Severity != problem.Warning {
		t.Errorf("%v", found)
	}
	for _, fits := range []string{"4000000", ""} {
		if found := compare(fits); len(found) > 0 {
			t.Errorf("%q: %v", fits, found)
		}
	}
	if found := s.Compare(nil); len(found) > 0 {
		t.Errorf("%v", found)
	}
}

// The server itself ends a look that takes too long.
func TestLookForLongRowsEndsInTime(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "slow look")
	run(t, server, "slow look", "CREATE VIEW slow AS SELECT CONCAT(SLEEP(20), 'x') AS v")
	conn, err := newTest(t, server, "slow look", nil).connect(t.Context(), "slow look")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	f, err := conn.serverFacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	long, err := conn.holdsMore(t.Context(), f.version, largeTable{"slow", []string{"v"}}, 1, 100*time.Millisecond)
	if took := time.Since(begun); err != nil || long || took > 10*time.Second {
		t.Errorf("%v %v after %s", long, err, took)
	}
}

// TestScratchServerTakesWhatTheRealOneTakes: a statement that the server in use
// refuses is refused on trial, too, or the drill would prove what a restore cannot
// do.
func TestScratchServerTakesWhatTheRealOneTakes(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "drilled")
	packetOf(t, server, 4<<20)
	run(t, server, "drilled", "CREATE TABLE repository (id INT PRIMARY KEY, v LONGBLOB); INSERT INTO repository VALUES (1, REPEAT(x'00', 3000000));"+
		"CREATE USER IF NOT EXISTS drilled@'%'; GRANT SELECT ON drilled.* TO drilled@'%'")
	s := newTest(t, server, "drilled", nil)
	a := backup(t, s)
	base, err := os.MkdirTemp("", "bkp-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "scratch")
	rehearsal, err := s.Rehearse(context.Background(), a, providers.Place{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rehearsal.Close() })
	into := rehearsal.Restorer().(trial)
	r, err := into.Check(t.Context(), a)
	if err != nil || !slices.ContainsFunc(r.Findings, func(f providers.Finding) bool {
		return strings.Contains(f.Detail, "max_allowed_packet") || strings.Contains(f.Remedy, "max_allowed_packet")
	}) {
		t.Errorf("check: %v %v", r.Findings, err)
	}
	if err := into.Restore(t.Context(), a); err == nil {
		t.Error("restored")
	}
}
