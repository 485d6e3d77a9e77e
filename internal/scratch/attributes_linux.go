package scratch

import "syscall"

// Attributes makes a server run as the account in a process group of its own,
// so that a Ctrl-C on the terminal is not its business, and ends it when this
// process dies: PostgreSQL and MariaDB take SIGQUIT for that.
func (a *Account) Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT, Credential: a.credential()}
}
