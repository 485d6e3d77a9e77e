//go:build unix

package debuglog

import "syscall"

// nonBlock keeps a FIFO that nobody reads from holding up the start.
const nonBlock = syscall.O_NONBLOCK
