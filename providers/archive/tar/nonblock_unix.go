//go:build unix

package tar

import "syscall"

// nonBlock keeps a FIFO in the place of a file from holding up whoever opens it.
const nonBlock = syscall.O_NONBLOCK
