//go:build unix

package host

import "syscall"

const (
	// NonBlock keeps a FIFO in the place of a file from holding up whoever opens it.
	NonBlock = syscall.O_NONBLOCK
	// NoFollow refuses a symbolic link in the place of a file.
	NoFollow = syscall.O_NOFOLLOW
)
