package database_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bkp/providers/database"
)

func TestCheckDumpRefusesLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("making symbolic links takes a privilege there")
	}
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, "toc.dat"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(tree, "blobs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := database.CheckDump(tree); err != nil {
		t.Errorf("a harmless one: %v", err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(tree, "blobs", "1.dat")); err != nil {
		t.Fatal(err)
	}
	if err := database.CheckDump(tree); err == nil || !strings.Contains(err.Error(), "1.dat is of type L") {
		t.Errorf("got %v", err)
	}
}
