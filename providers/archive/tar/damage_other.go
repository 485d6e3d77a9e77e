//go:build !linux

package tar

import (
	"errors"
	"syscall"
)

// isDamage reports whether an error of reading comes from the disk or its file
// system, rather than of this process or its rights.
func isDamage(err error) bool { return errors.Is(err, syscall.EIO) || errors.Is(err, errVanished) }
