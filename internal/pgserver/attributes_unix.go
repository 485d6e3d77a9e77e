//go:build unix && !linux

package pgserver

import "syscall"

// attributes makes the server run as an ordinary user in a process group of
// its own, so that a Ctrl-C on the terminal is not its business.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential()}
}
