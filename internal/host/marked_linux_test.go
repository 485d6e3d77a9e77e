package host_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bkp/internal/host"
)

// leavesGroup starts a process in a session of its own, notes its id in a FIFO
// and waits. Ignoring the signal takes the grace to its end.
const leavesGroup = `trap '' INT; setsid sh -c 'echo $$ >"$0"; exec sleep 1000' "$0" >/dev/null 2>&1 </dev/null & wait`

// escaped runs a tool whose child left its group, ends the context once the
// child is there, and returns the child's process id.
func escaped(t *testing.T, c host.Command) int {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), "pid")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read := make(chan string, 1)
	go func() {
		text, _ := os.ReadFile(fifo)
		cancel()
		read <- string(text)
	}()
	c.Name, c.Args = "sh", []string{"-c", leavesGroup, fifo}
	var h host.Host
	if _, err := h.Run(ctx, c); err == nil {
		t.Fatal("no error")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(<-read))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	return pid
}

func TestWholeToolIsKilledWithWhatLeftItsGroup(t *testing.T) {
	pid := escaped(t, host.Command{Whole: true, Grace: 10 * time.Millisecond})
	if !ends(t, pid) {
		t.Error("what left the group is still there")
	}
}

// TestEndMarkedTakesAllVariables: one that has only some of them is another's.
func TestEndMarkedTakesAllVariables(t *testing.T) {
	const one, two = "BKP_TEST_ONE=marked 1", "BKP_TEST_TWO=marked 2"
	pid := escaped(t, host.Command{Env: []string{one, two}, Grace: 10 * time.Millisecond})
	host.EndMarked()
	host.EndMarked(one, "BKP_TEST_TWO=other")
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("it was killed by half of its marks: %v", err)
	}
	host.EndMarked(one, two)
	if !ends(t, pid) {
		t.Error("it is still there")
	}
}
