package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watch looks at the processes of this machine that descend from this one.
type watch struct {
	cancel context.CancelFunc
	done   chan struct{}
	// seen are argument lists of all of them, and environments of those that bkp
	// started.
	seen map[string]bool
}

func watchProcesses(t *testing.T) *watch {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watch{cancel: cancel, done: make(chan struct{}), seen: map[string]bool{}}
	go func() {
		defer close(w.done)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			w.look(os.Getpid(), 0)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return w
}

// look notes a process's children: what the test starts has depth 0, a shell
// that becomes bkp, and what that starts has more. The environment of bkp itself
// holds what its user put there.
func (w *watch) look(pid, depth int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for child := range strings.FieldsSeq(string(children)) {
			argv, _ := os.ReadFile("/proc/" + child + "/cmdline")
			w.seen["arguments: "+string(argv)] = true
			// Between fork and exec a tool still looks like bkp itself.
			if started := !bytes.HasPrefix(argv, []byte("bkp\x00")) || bytes.HasPrefix(argv, []byte("bkp\x00__")); depth > 0 && started {
				environment, _ := os.ReadFile("/proc/" + child + "/environ")
				w.seen["environment of "+string(argv)+": "+string(environment)] = true
			}
			var id int
			_, _ = fmt.Sscan(child, &id)
			w.look(id, depth+1)
		}
	}
}

func (w *watch) stop(t *testing.T, secrets map[string]string) {
	t.Helper()
	w.cancel()
	<-w.done
	tools := map[string]bool{}
	for text := range w.seen {
		for _, tool := range []string{"pg_dump", "pg_restore", "rsync", "__guardian"} {
			if strings.HasPrefix(text, "environment of ") && strings.Contains(text, tool) {
				tools[tool] = true
			}
		}
		for _, n := range needles(secrets) {
			if strings.Contains(text, n.text) {
				t.Errorf("the secret %q, %s, in the %.80q", n.secret, n.how, text)
			}
		}
	}
	if len(tools) < 4 {
		t.Errorf("only these were seen: %v", tools)
	}
}
