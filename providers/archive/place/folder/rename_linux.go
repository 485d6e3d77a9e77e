package folder

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew gives a file its name, unless something has it.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EEXIST):
		return exists(to)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP):
		return renameIfAbsent(from, to) // NFS and others
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}
