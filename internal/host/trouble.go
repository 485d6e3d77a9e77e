package host

import (
	"errors"
	"slices"
	"syscall"
)

// IsFull tells whether err is about a file system, or a user's share of it,
// that has no room left.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// IsTrouble tells whether err is about this machine, a disk, a limit, a
// permission, a connection, and so says nothing of the data that were worked on.
func IsTrouble(err error) bool {
	var number syscall.Errno
	var exit *ExitError
	switch {
	case errors.As(err, &exit):
		return exit.Code < 0 // somebody killed it
	case errors.As(err, &number):
		return slices.Contains([]syscall.Errno{
			syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.EBUSY,
			syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN,
			syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT, syscall.EHOSTUNREACH,
		}, number)
	}
	return false
}
