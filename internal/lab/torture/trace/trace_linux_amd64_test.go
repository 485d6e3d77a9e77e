package trace_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bkp/internal/lab/torture/trace"
)

// TestMain is the way into the command, when it is started as that.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == trace.Command {
		_ = trace.Exec(os.Args[2:])
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// run traces a shell script in a folder of its own, and returns what it printed.
func run(t *testing.T, script string, decide func(trace.Effect) trace.Action) (trace.Result, string) {
	t.Helper()
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	tracer := trace.New()
	defer tracer.Close()
	r, err := tracer.Run(t.Context(), trace.Options{
		Argv: []string{"/bin/sh", "-c", script}, Env: os.Environ(), Dir: dir, Output: out,
		Decide: decide, Limit: 2 * time.Minute, Linger: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

// at injures the first effect with a call on a file of that name.
func at(call, name string, a trace.Action) func(trace.Effect) trace.Action {
	done := false
	return func(e trace.Effect) trace.Action {
		if done || e.Call != call || filepath.Base(e.Target) != name {
			return trace.Action{}
		}
		done = true
		return a
	}
}

func TestEffectsAreSeenInOrder(t *testing.T) {
	var seen []string
	r, out := run(t, `echo a >one; mv one two; (ln -s two three); rm two; cat three; echo b`, func(e trace.Effect) trace.Action {
		if !strings.HasPrefix(e.Target, "/lib") {
			seen = append(seen, e.Tool+" "+e.Call+" "+filepath.Base(e.Target))
		}
		return trace.Action{}
	})
	if r.Status.ExitStatus() != 0 || !strings.HasSuffix(out, "b\n") {
		t.Fatalf("%+v: %s", r, out)
	}
	want := []string{"sh open one", "sh write one", "mv rename two", "ln symlink three", "rm unlink two", "cat write out", "sh write out"}
	for _, s := range seen {
		if len(want) > 0 && s == want[0] {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("not seen, or not in order: %q, among %q", want, seen)
	}
}

func TestCallFails(t *testing.T) {
	r, out := run(t, `echo a >one; mv one two || echo failed; cat one`, at("rename", "two", trace.Action{Errno: syscall.EIO}))
	if r.Status.ExitStatus() != 0 || !strings.Contains(out, "failed\na\n") || !strings.Contains(out, "Input/output error") {
		t.Errorf("%+v: %s", r, out)
	}
}

func TestToolIsKilled(t *testing.T) {
	r, out := run(t, `echo a >one; mv one two; echo $?; cat one`, at("rename", "two", trace.Action{Kill: true}))
	if r.Status.ExitStatus() != 0 || !strings.Contains(out, "137\na\n") || r.Killed {
		t.Errorf("%+v: %s", r, out)
	}
}

func TestMainIsKilled(t *testing.T) {
	r, out := run(t, `echo a >one; mv one two; echo $?`, at("rename", "two", trace.Action{KillMain: true}))
	if !r.Killed || r.Status.Signal() != syscall.SIGKILL || out != "" {
		t.Errorf("%+v: %s", r, out)
	}
}

func TestAllAreKilled(t *testing.T) {
	r, out := run(t, `sleep 60 & echo a >one; mv one two; echo $?`, at("rename", "two", trace.Action{KillAll: true}))
	if !r.Killed || r.Status.Signal() != syscall.SIGKILL || out != "" || len(r.Left) > 0 {
		t.Errorf("%+v: %s", r, out)
	}
}

func TestCrash(t *testing.T) {
	r, out := run(t, `echo a >one; mv one two; echo $?`, at("rename", "two", trace.Action{Crash: true}))
	if r.Status.ExitStatus() != 0 || !strings.Contains(out, "139") {
		t.Errorf("%+v: %s", r, out)
	}
}

func TestThreadIsHeld(t *testing.T) {
	begun := time.Now()
	r, out := run(t, `mkdir one; echo b`, at("mkdir", "one", trace.Action{Hold: func() bool { return time.Since(begun) < 300*time.Millisecond }}))
	if took := time.Since(begun); r.Status.ExitStatus() != 0 || out != "b\n" || took < 300*time.Millisecond {
		t.Errorf("%s, %+v: %s", took, r, out)
	}
}

func TestWhoStaysBehindIsTold(t *testing.T) {
	r, _ := run(t, `sleep 60 & echo b`, func(trace.Effect) trace.Action { return trace.Action{} })
	if !slices.Contains(r.Left, "sleep 60") {
		t.Errorf("%+v", r)
	}
}

func TestLimit(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	tracer := trace.New()
	defer tracer.Close()
	r, err := tracer.Run(t.Context(), trace.Options{Argv: []string{"/bin/sleep", "60"}, Output: out, Limit: 100 * time.Millisecond})
	if err != nil || !r.Late || r.Status.Signal() != syscall.SIGKILL {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = tracer.Run(t.Context(), trace.Options{Argv: []string{"/bin/sleep", "60"}, Output: out, Kill: 50 * time.Millisecond, Limit: time.Minute})
	if err != nil || r.Late || !r.Killed || time.Duration(r.Status.Signal()) != time.Duration(syscall.SIGKILL) {
		t.Errorf("%+v, %v", r, err)
	}
}
