//go:build !linux

package compare

import "syscall"

// damages are errors of a disk or of its file system, rather than of this process or
// its rights.
var damages = []syscall.Errno{syscall.EIO}
