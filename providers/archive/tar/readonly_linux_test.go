package tar

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// readOnly makes a folder that this user cannot write to. Modes do not hold
// root back: for it, a read-only file system is mounted.
func readOnly(t *testing.T, folder string) {
	t.Helper()
	if os.Geteuid() != 0 {
		must(t, os.Chmod(folder, 0o500))
		return
	}
	if err := unix.Mount("none", folder, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Skipf("needs the right to mount, or an ordinary user: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(folder, unix.MNT_DETACH)) })
}
