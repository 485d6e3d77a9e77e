// Package loopfs gives tests file systems of their own, on loop devices.
package loopfs

import (
	"os"
	"os/exec"
	"path/filepath"
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
// moment after whoever killed it was told so.
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
