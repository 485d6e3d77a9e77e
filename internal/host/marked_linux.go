package host

import (
	"slices"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// looksForMarked bounds how often EndMarked looks again: a process may have
// started another one while it was killed.
const looksForMarked = 20

// EndMarked kills every process whose environment has all of these variables,
// each NAME=VALUE, whatever group or session it is in. Nothing is killed without
// a variable. It is for what a tool started whose parent is gone, so it finds
// nothing where other users' processes cannot be read.
func EndMarked(variables ...string) {
	if len(variables) == 0 {
		return
	}
	for range looksForMarked {
		all, err := procfs.AllProcs()
		if err != nil {
			return
		}
		found := false
		for _, p := range all {
			found = endIfMarked(p, variables) || found
		}
		if !found {
			return
		}
	}
}

// endIfMarked holds the process before it looks: a number may be another
// process's by the time it is killed.
func endIfMarked(p procfs.Proc, variables []string) bool {
	if p.PID == unix.Getpid() {
		return false
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	has, err := p.Environ()
	if err != nil {
		return false
	}
	for _, v := range variables {
		if !slices.Contains(has, v) {
			return false
		}
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil
}
