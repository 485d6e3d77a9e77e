package pgserver

import "syscall"

// attributes makes the server run as an ordinary user in a process group of
// its own, so that a Ctrl-C on the terminal is not its business, and ends it
// when this process dies: SIGQUIT is an immediate shutdown.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT, Credential: credential()}
}
