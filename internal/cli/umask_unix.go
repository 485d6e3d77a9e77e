//go:build unix

package cli

import "syscall"

// private makes whatever this process and the tools that it starts create
// private to its user, however careless or strict the umask is. It returns the
// umask that there was, for what is meant for others to read.
func private() int { return syscall.Umask(0o077) }
