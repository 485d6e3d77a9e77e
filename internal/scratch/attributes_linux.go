package scratch

import "syscall"

// attributes makes a server run as the account in a process group of its own,
// so that a Ctrl-C on the terminal is not its business, and ends it by a signal
// when this process dies.
func (a *Account) attributes(end syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: end, Credential: a.credential()}
}
