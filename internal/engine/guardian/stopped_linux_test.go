package guardian_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"bkp/internal/engine/guardian"
)

// childOf is the guardian's process: the only child of this test that is one.
func childOf(t *testing.T) int {
	t.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, _ := os.ReadFile(stat)
		after := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(after) < 2 || string(after[1]) != strconv.Itoa(os.Getpid()) {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
		if bytes.Contains(line, []byte(guardian.Command)) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("there is no guardian")
	return 0
}

// awaitStopped waits until a process stands still: a busy machine lets it go on for
// a moment after the signal, long enough to read that all is released.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(time.Millisecond) {
		text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if state := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]); len(state) > 0 && state[0][0] == 'T' {
			return
		}
	}
	t.Fatal("it does not stop")
}

// TestAStoppedGuardianDoesNotHoldUpARun stops the child while the lock is held.
// The instance is unlocked by the run itself.
func TestAStoppedGuardianDoesNotHoldUpARun(t *testing.T) {
	s := newScene(t, time.Hour)
	s.lock(t)
	pid := childOf(t)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitStopped(t, pid)
	ended := make(chan error, 1)
	go func() { ended <- s.guardian.Released() }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a child that was killed counts as ended by itself")
		}
	case <-time.After(patience):
		t.Error("the run waits for the guardian")
		_ = syscall.Kill(pid, syscall.SIGCONT)
		if err := <-ended; err != nil {
			t.Log(err)
		}
	}
}

// TestAGuardianThatGoesOnIsShownAndEndsOnSIGTERM lets nothing get through.
func TestAGuardianThatGoesOnIsShownAndEndsOnSIGTERM(t *testing.T) {
	waits := t.TempDir()
	s := newSceneWith(t, time.Hour, waits)
	s.lock(t)
	pid := childOf(t)
	s.refuse.Store(1 << 40)
	if err := s.guardian.Abandon(); err != nil {
		t.Fatal(err)
	}
	var shown []guardian.Waiting
	for begun := time.Now(); len(shown) == 0; shown = guardian.WaitingIn(waits) {
		if time.Since(begun) > patience {
			t.Fatal("it is not shown")
		}
	}
	if w := shown[0]; w.PID != pid || w.Run != id || w.URL != s.watch.Instance.URL || time.Since(w.Since) > patience {
		t.Errorf("shown as %+v", w)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = s.guardian.Released() // waits for its end, and kills it only if it stays
	if log, _ := os.ReadFile(s.watch.Log); !bytes.Contains(log, []byte("trying once more")) {
		t.Errorf("it did not try once more: %s", log)
	}
	if left := guardian.WaitingIn(waits); len(left) > 0 {
		t.Errorf("shown after its end: %+v", left)
	}
	if files, err := os.ReadDir(waits); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v %v", files, err)
	}
}
