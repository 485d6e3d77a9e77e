// Package loopfs gives tests file systems of their own, on loop devices.
package loopfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// minimum is what the largest of the file systems needs, in bytes: XFS refuses
// less than 300 MB.
const minimum = 320 << 20

// Kinds are the file systems that Bitbucket's homes are on.
var Kinds = []string{"ext4", "xfs", "btrfs"}

// Mount makes a file system of the given kind and mounts it on a new folder,
// which it returns. At the end of the test both are gone. Without root the test
// is skipped; with CI=true a missing tool fails it.
func Mount(t testing.TB, kind string) string {
	t.Helper()
	return MountSize(t, kind, minimum)
}

// MountSize is Mount with a size in bytes, such as a small one to be filled.
func MountSize(t testing.TB, kind string, size int64) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a file system can be mounted by root only; run the tests as root")
	}
	mkfs, err := find("mkfs." + kind)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; install it: make deps", err)
		}
		t.Skipf("%v; install it: make deps", err)
	}
	dir := t.TempDir()
	image, point := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	f, err := os.Create(image)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Mkdir(point, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	run(t, mkfs, "-q", image)
	mount(t, image, point)
	t.Cleanup(func() { unmount(t, point) })
	return point
}

// mount waits for a loop device: a machine has few, and other tests use them.
func mount(t testing.TB, image, point string) {
	t.Helper()
	again(t, "mount", "-o", "loop", image, point)
}

// unmount waits for what still uses the file system: a killed process goes a
// moment after the kill was reported.
func unmount(t testing.TB, point string) {
	t.Helper()
	again(t, "umount", point)
}

// again runs a command until it succeeds.
func again(t testing.TB, argv ...string) {
	t.Helper()
	const patience = 2 * time.Minute
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	for {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput() //nolint:noctx // it takes a moment
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
		<-tick.C
	}
}

// find looks where such tools are kept, which PATH need not name.
func find(tool string) (string, error) {
	path, err := exec.LookPath(tool)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, tool))
	}
	return path, err
}

func run(t testing.TB, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil { //nolint:noctx // it takes a moment
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// Bind mounts a folder on another one until the end of the test.
func Bind(t testing.TB, from, to string) {
	t.Helper()
	run(t, "mount", "--bind", from, to)
	t.Cleanup(func() { unmount(t, to) })
}

// Collide makes files in two folders of different file systems until one of each
// has the inode number of the other, and returns these. Their content is "before".
func Collide(t testing.TB, one, other string) (near, far string) {
	t.Helper()
	const files = 100
	found := map[uint64]string{}
	for _, dir := range []string{one, other} {
		for n := range files {
			file := filepath.Join(dir, fmt.Sprint("file-", n))
			var st syscall.Stat_t
			if err := errors.Join(os.WriteFile(file, []byte("before"), 0o600), syscall.Stat(file, &st)); err != nil {
				t.Fatal(err)
			}
			if same := found[st.Ino]; same != "" {
				return same, file
			}
			if dir == one {
				found[st.Ino] = file
			}
		}
	}
	t.Fatal("no two files have one number")
	return "", ""
}

// Damage replaces bytes of the disk below a file system that Mount made, as a bad
// sector does: the file system knows nothing of it. There must be such bytes.
func Damage(t testing.TB, point string, old, by []byte) {
	t.Helper()
	unmount(t, point)
	image := filepath.Join(filepath.Dir(point), "image")
	content, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, old) || len(old) != len(by) {
		t.Fatal("these bytes are not on the disk")
	}
	f, err := os.OpenFile(image, os.O_WRONLY, 0)
	for at := 0; err == nil; { // freed blocks may have them too
		next := bytes.Index(content[at:], old)
		if next < 0 {
			break
		}
		_, err = f.WriteAt(by, int64(at+next))
		at += next + len(old)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	mount(t, image, point)
}
