package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// upgradedCommand is a process that replaces its own file before it reads it.
const upgradedCommand = "upgraded"

func upgraded(own string) int {
	err := os.WriteFile(own+".new", []byte("another version"), 0o700)
	if err == nil {
		err = os.Rename(own+".new", own)
	}
	if err == nil {
		own, err = OwnDigest()
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = fmt.Print(own)
	return 0
}

// TestAnUpgradeDuringARunChangesNothing: the other side gets the program that runs,
// and not the one that took its place.
func TestAnUpgradeDuringARunChangesNothing(t *testing.T) {
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bkp")
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, upgradedCommand, path).Output()
	if sum := sha256.Sum256(program); err != nil || string(out) != hex.EncodeToString(sum[:]) {
		t.Errorf("%s, %v", out, err)
	}
}
