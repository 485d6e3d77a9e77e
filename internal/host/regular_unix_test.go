//go:build unix

package host_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"bkp/internal/host"
)

// Nobody writes to the FIFO: a call that waits for one never returns, and the
// test runs into its time-out.
func TestWhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.Symlink(fifo, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, fifo, link, "/dev/zero"} {
		if _, err := host.ReadRegular(path, 10); !errors.Is(err, host.ErrNotRegular) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestReadRegularIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := host.ReadRegular(path, 10); err != nil || string(b) != "0123456789" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := host.ReadRegular(path, 9); err == nil {
		t.Error("a file that is too large was read")
	}
}
