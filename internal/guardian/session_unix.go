//go:build unix

package guardian

import (
	"os/exec"
	"os/signal"
	"syscall"
)

// ownSession takes the child out of the terminal's and the parent's group, so
// that what is meant for these does not reach it.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func ignoreSignals() {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGQUIT)
}
