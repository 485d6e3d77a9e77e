//go:build unix

package treesync_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"bkp/internal/filemeta"
)

// What an ordinary user may not do must not stop a backup of their own files.
// These tests say the same to root, who may do it.

func TestFolderThatWasReadOnlyTakesNewFiles(t *testing.T) {
	r := newRig(t)
	r.write(t, "packs/old", "old")
	packs := filepath.Join(r.src, "packs")
	// So that the test's own clean-up can remove the copy.
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(r.dst, "packs"), 0o700) })
	chmod(t, packs, 0o555)
	r.sync(t, r.options())
	r.same(t)
	chmod(t, packs, 0o755)
	r.write(t, "packs/new", "new")
	r.sync(t, r.options())
	r.same(t)
}

// TestClosedFoldersAreRemoved: nobody may unlink in a folder without the right
// to write, and root alone may look into one without any.
func TestClosedFoldersAreRemoved(t *testing.T) {
	for _, mode := range []os.FileMode{0o555, 0} {
		r := newRig(t)
		r.write(t, "packs/deep/old", "old")
		r.sync(t, r.options())
		for _, name := range []string{"packs/deep", "packs"} {
			folder := filepath.Join(r.dst, name)
			t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
			chmod(t, folder, mode)
		}
		if err := os.RemoveAll(filepath.Join(r.src, "packs")); err != nil {
			t.Fatal(err)
		}
		r.sync(t, r.options())
		r.same(t)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestFIFOIsCopiedAndSocketIsNot(t *testing.T) {
	r := newRig(t)
	if err := unix.Mkfifo(filepath.Join(r.src, "fifo"), 0o640); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	t.Chdir(r.src) // the path of a socket is short
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: "socket"}); err != nil {
		t.Fatal(err)
	}
	if res := r.sync(t, r.options()); res.Sockets != 1 {
		t.Errorf("sockets: %d", res.Sockets)
	}
	r.same(t)
}

func TestDeviceIsLeftOutWhereItCannotBeMade(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making a device needs root")
	}
	r := newRig(t)
	r.write(t, "file", "content")
	if err := unix.Mknod(filepath.Join(r.src, "null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
		t.Skipf("no device can be made here: %v", err)
	}
	o := r.options()
	o.Fault = func(op, path string) error {
		if op == "special" {
			return unix.EPERM
		}
		return nil
	}
	if res := r.sync(t, o); res.Lost&filemeta.LostDevices == 0 {
		t.Errorf("lost %v", res.Lost)
	}
	if _, err := os.Lstat(filepath.Join(r.dst, "null")); !os.IsNotExist(err) {
		t.Errorf("the copy has it: %v", err)
	}
	// Root brings it over later: it was not remembered.
	r.sync(t, r.options())
	r.same(t)
}
