//go:build unix

package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Writable reports, without writing, whether this user may write to a folder;
// a read-only file system counts.
func Writable(dir string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}
