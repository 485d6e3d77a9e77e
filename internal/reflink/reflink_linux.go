package reflink

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Clone gives dst, which is open for writing, the whole content of src, holes included,
// as it is at one instant. What of src is in memory alone is written to disk first.
func Clone(dst, src *os.File) error {
	for {
		err := unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case isImpossible(err):
			return fmt.Errorf("%w: %w", ErrImpossible, err)
		}
		return err
	}
}

// isImpossible knows EINVAL as that of btrfs, where one of the files has no
// checksums (chattr +C).
func isImpossible(err error) bool {
	for _, e := range []error{unix.EXDEV, unix.EOPNOTSUPP, unix.ENOTTY, unix.ENOSYS, unix.EINVAL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Between returns nil if files of the folder to can share blocks with those of the folder
// from. Both must exist and be writable. It tries, with two files that never have a name, so
// that nothing of it stays, whatever becomes of the process.
func Between(from, to string) error {
	src, err := nameless(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := nameless(to)
	if err != nil {
		return err
	}
	defer func() { _ = dst.Close() }()
	const block = 64 << 10 // larger than any file system's
	if _, err := src.Write(make([]byte, block)); err != nil {
		return err
	}
	return Clone(dst, src)
}

// nameless opens a new file that is gone once it is closed.
func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL):
		return nil, fmt.Errorf("%w: %s lies on a file system without nameless files", ErrImpossible, dir)
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), dir), nil
}
