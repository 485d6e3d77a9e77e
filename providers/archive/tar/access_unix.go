//go:build unix

package tar

import "golang.org/x/sys/unix"

// mayWrite proves without writing that files can be made in a folder: the
// kernel's answer takes the user, the mode, ACLs and a read-only file system
// into account.
func mayWrite(folder string) error {
	return unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
