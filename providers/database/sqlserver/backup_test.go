package sqlserver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/lab/sqlserver"
	"bkp/internal/lab/tds"
	"bkp/internal/problem"
)

// wants fails unless an error has the summary, and a remedy.
func wants(t *testing.T, err error, summary string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Summary != summary || p.Remedy == "" {
		t.Errorf("got %v, want %q with a remedy", err, summary)
	}
}

// TestStatements: the server is asked for what the documentation promises, and names are
// quoted.
func TestStatements(t *testing.T) {
	server := newServer(t)
	newDatabase(server, "it's a [db]")
	complete(t, newOpening(t, server, "it's a [db]", func(c *Config) { c.Verify = true }).new())
	var moved []string
	for _, sql := range server.Log() {
		if strings.HasPrefix(sql, "BACKUP") || strings.HasPrefix(sql, "RESTORE") {
			moved = append(moved, sql)
		}
	}
	o := newOpening(t, server, "x")
	file := "N'/var/opt/mssql/backup/" + strings.Split(filepath.Base(moved[0]), "test-")[0] + string(id)
	want := []string{
		"BACKUP DATABASE [it's a [db]]] TO DISK = " + file + ".full.bak' WITH FORMAT, INIT, CHECKSUM, STATS = 1, COMPRESSION, NAME = N'bkp " + string(id) + "'",
		"BACKUP DATABASE [it's a [db]]] TO DISK = " + file + ".differential.bak' WITH FORMAT, INIT, CHECKSUM, STATS = 1, COMPRESSION, DIFFERENTIAL, NAME = N'bkp " + string(id) + "'",
		"RESTORE VERIFYONLY FROM DISK = " + file + ".full.bak' WITH CHECKSUM, STATS = 1",
		"RESTORE VERIFYONLY FROM DISK = " + file + ".differential.bak' WITH CHECKSUM, STATS = 1",
	}
	if !slices.Equal(moved, want) {
		t.Errorf("sent\n%s\nwant\n%s", strings.Join(moved, "\n"), strings.Join(want, "\n"))
	}
	if o.cfg.Database != "x" {
		t.Fatal("openings share a configuration")
	}
}

// TestForeignFullBackup: a pair that could not be restored is no backup. Before the lock it
// ends the run there.
func TestForeignFullBackup(t *testing.T) {
	server := newServer(t)
	s := newOpening(t, server, "bitbucket").new()
	defer func() { _ = s.Close() }()
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := s.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.BackUp("bitbucket", "theirs"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Capture(t.Context(), id)
	wants(t, err, foreignBase)
	wants(t, s.Warm(t.Context()), foreignBase)
}

// TestFolderOfAnother: path has to be the folder that the server writes to.
func TestFolderOfAnother(t *testing.T) {
	server := newServer(t)
	s := newOpening(t, server, "bitbucket", func(c *Config) { c.Path = t.TempDir() }).new()
	wants(t, s.Prepare(t.Context(), id), notHere)
}

// TestConnectionLost: the driver says nothing of it while it waits for messages.
func TestConnectionLost(t *testing.T) {
	for name, fault := range map[string]tds.Fault{
		"before":           {At: "BACKUP DATABASE [", Cut: true},
		"after":            {At: "BACKUP DATABASE [", Lose: true},
		"refused":          {At: "BACKUP DATABASE [", Refuse: &tds.Error{Number: 3013, Message: "BACKUP DATABASE is terminating abnormally."}},
		"without a record": {At: "msdb.dbo.backupset", Cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			s := newOpening(t, server, "bitbucket").new()
			server.Disturb(fault)
			if err := s.Prepare(t.Context(), id); err == nil {
				t.Error("a backup without an answer counts")
			}
			if server.Undisturbed() > 0 {
				t.Error("the fault did not come to pass")
			}
			if err := s.Discard(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			if names := left(t, server); len(names) > 0 {
				t.Errorf("left are %q", names)
			}
		})
	}
}

// TestCancelledInTheMiddle: the server is told, so that it stops, and the run goes on at once.
func TestCancelledInTheMiddle(t *testing.T) {
	server := newServer(t)
	s := newOpening(t, server, "bitbucket").new()
	held := make(chan struct{})
	server.Disturb(tds.Fault{At: "DIFFERENTIAL", Hold: make(chan struct{}), Held: held})
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-held; cancel(enough) }()
	if _, err := s.Capture(ctx, id); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	if err := s.Discard(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if names := left(t, server); len(names) > 0 {
		t.Errorf("left are %q", names)
	}
}

// TestNothingOfOthersIsRemoved: the folder may hold backups of administrators, and those of
// another state folder.
func TestNothingOfOthersIsRemoved(t *testing.T) {
	server := newServer(t)
	other := complete(t, newOpening(t, server, "bitbucket").new())
	if err := os.WriteFile(filepath.Join(server.Disk(sqlserver.BackupFolder), "nightly.bak"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newOpening(t, server, "bitbucket").new()
	complete(t, s)
	if err := s.Discard(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Base(other.Dir()), "nightly.bak"}
	if names := left(t, server); !slices.Equal(names, want) {
		t.Errorf("left are %q, want %q", names, want)
	}
}
