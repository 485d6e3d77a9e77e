package host

import (
	"errors"
	"syscall"
)

// IsFull tells whether err is about a file system, or a user's share of it,
// that has no room left.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
