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

func ignoreSignals() { signal.Ignore(os.Interrupt) }
