//go:build unix && !linux

package scratch

import "syscall"

// attributes makes a server run as the account in a process group of its own,
// so that a Ctrl-C on the terminal is not its business.
func (a *Account) attributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: a.credential()}
}
