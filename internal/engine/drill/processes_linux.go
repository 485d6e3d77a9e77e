package drill

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// leaveWithin is how long a server may take to leave before it is killed.
	leaveWithin = 5 * time.Second
	lookEvery   = 20 * time.Millisecond
)

// endProcesses ends what still works in a folder: a server whose drill was
// killed ends by itself, but perhaps not yet.
func endProcesses(dir string) {
	if !await(dir, 0) {
		signalAll(dir, syscall.SIGQUIT) // what database servers take for "at once"
		if !await(dir, leaveWithin) {
			signalAll(dir, syscall.SIGKILL)
			await(dir, leaveWithin)
		}
	}
}

// await reports whether nothing works in the folder any more.
func await(dir string, within time.Duration) bool {
	deadline := time.After(within)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for len(workingIn(dir)) > 0 {
		select {
		case <-deadline:
			return len(workingIn(dir)) == 0
		case <-tick.C:
		}
	}
	return true
}

func signalAll(dir string, s syscall.Signal) {
	for _, pid := range workingIn(dir) {
		_ = syscall.Kill(pid, s)
	}
}

// workingIn returns the processes whose working folder lies below dir. Database
// servers work in that of their data.
func workingIn(dir string) []int {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	var out []int
	all, _ := filepath.Glob("/proc/[0-9]*/cwd") // the pattern is valid
	for _, cwd := range all {
		at, err := os.Readlink(cwd)
		if err != nil || !strings.HasPrefix(at, dir+"/") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(cwd))); err == nil && pid != os.Getpid() {
			out = append(out, pid)
		}
	}
	return out
}
