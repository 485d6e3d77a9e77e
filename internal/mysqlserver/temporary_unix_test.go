//go:build unix

package mysqlserver_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"bkp/internal/mysqlserver"
)

// TestOthersTablesStay: a server that starts sweeps temporary tables out of its
// temporary folder, which by default is the one of the machine's own server.
func TestOthersTablesStay(t *testing.T) {
	const systems = "/tmp"
	file, err := os.CreateTemp(systems, "#sql-temptable-*.MAI")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(file.Name()) })
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := mysqlserver.Start(t.Context(), filepath.Join(t.TempDir(), "my"))
		needServer(t, err)
		owner, err := os.Stat(filepath.Join(s.Dir(), "data"))
		if err := errors.Join(err, s.Stop()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file.Name()); err != nil {
			t.Fatal("the server swept away another's table:", err)
		}
		if err := os.Chown(file.Name(), int(owner.Sys().(*syscall.Stat_t).Uid), -1); err != nil {
			t.Fatal(err)
		}
	}
}
