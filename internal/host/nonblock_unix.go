//go:build unix

package host

import "syscall"

// NonBlock keeps a FIFO in the place of a file from blocking the process that opens it.
const NonBlock = syscall.O_NONBLOCK
