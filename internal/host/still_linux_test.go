package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bkp/internal/host"
)

// TestAToolThatStandsStillIsEnded with all that it started, although each of
// its processes only waits for another.
func TestAToolThatStandsStillIsEnded(t *testing.T) {
	var h host.Host
	note := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	_, err := h.Run(ctx, host.Command{
		Name: "sh", Args: []string{"-c", `sleep 1000 >/dev/null 2>&1 & echo $! >"$0"; wait`, note}, Still: 2 * time.Second,
	})
	var still *host.StillError
	if !errors.As(err, &still) {
		t.Fatalf("got %v", err)
	}
	text, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if !ends(t, pid) {
		t.Error("what the tool started is still there")
	}
}

// ends waits for the end of a process, a while.
func ends(t *testing.T, pid int) bool {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 120_000)
	return err == nil && n == 1
}

// TestAToolThatWorksIsLeftAlone however it works: also where only what it
// started does.
func TestAToolThatWorksIsLeftAlone(t *testing.T) {
	// A process that waits for a processor makes no progress either: a busy machine lets
	// nobody wait for seconds.
	const still = 2 * time.Second
	const work = `end=$(($(date +%s)+5)); while [ $(date +%s) -lt $end ]; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; done`
	for name, script := range map[string]string{
		"computes":            work,
		"lets others work":    "(" + work + ") & wait",
		"writes now and then": `i=0; while [ $i -lt 50 ]; do echo; sleep 0.1; i=$((i+1)); done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h host.Host
			if _, err := h.Run(t.Context(), host.Command{Name: "sh", Args: []string{"-c", script}, Still: still}); err != nil {
				t.Error(err)
			}
		})
	}
}
