package guardian

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func ownSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// signals ignores what is meant for bkp. Nothing asks a process to end here.
func signals() <-chan os.Signal {
	signal.Ignore(os.Interrupt)
	return nil
}
