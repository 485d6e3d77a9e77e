//go:build unix

package host

import "syscall"

const (
	// NonBlock keeps a FIFO in the place of a file from blocking the process that opens it.
	NonBlock = syscall.O_NONBLOCK
	// NoFollow refuses a symbolic link in the place of a file.
	NoFollow = syscall.O_NOFOLLOW
)
