//go:build unix

package restic

import (
	"errors"
	"syscall"
)

// alive reports whether there is a process of this number, of whatever user.
func alive(pid int) bool {
	return pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
