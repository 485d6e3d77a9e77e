//go:build unix

package guardian

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// ownSession takes the child out of the terminal's and the parent's group, so
// that what is meant for these does not reach it.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// signals ignores what is meant for bkp, and returns the requests to end.
func signals() <-chan os.Signal {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGQUIT)
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	return terminate
}
