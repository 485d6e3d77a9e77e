package trace

import (
	"context"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Action is what becomes of an effect.
type Action struct {
	// Errno is what the call fails with instead of happening; 0 lets it happen.
	Errno unix.Errno
	// Cut closes the connection besides.
	Cut bool
	// Kill kills the process that makes the call before it happens, KillMain
	// that of the command.
	Kill, KillMain bool
	// KillAll kills the command and all that came of it.
	KillAll bool
	// KillMainAfter kills the command right after it happened.
	KillMainAfter bool
	// Crash sends the calling process a signal as of a bug.
	Crash bool
	// CutAfter closes the connection right after it happened: a process that
	// waits for an answer gets none.
	CutAfter bool
	// Hold keeps the thread from going on for as long as it returns true.
	Hold func() bool
}

// Options of a Run.
type Options struct {
	// Argv is the command; Argv[0] is a path.
	Argv []string
	// Env is its whole environment.
	Env []string
	Dir string
	// Output takes what it and its children print.
	Output *os.File
	// Decide is asked before each effect, one at a time. nil: none is stopped.
	Decide func(Effect) Action
	// Started receives each program that starts, while it is stopped; may be nil.
	Started func(pid int, main bool, argv []string)
	// Kill, if it is not 0, is when the command is killed.
	Kill time.Duration
	// Limit is how long the command may take, Linger how long others may outlive
	// it. Who is alive then is killed.
	Limit, Linger time.Duration
}

// Result of a Run.
type Result struct {
	// Status is how the command ended, Ended when.
	Status unix.WaitStatus
	Ended  time.Time
	// Killed says that Options.Kill or an Action killed it.
	Killed bool
	// Late says that it had to be killed at its limit.
	Late bool
	// Left are programs that were alive after Linger.
	Left []string
}

// Tracer is a thread that traces: the kernel knows a tracer by that. Make it
// before anything else starts processes. The thread waits for whatever it is the
// parent of, and one that was lent to it before might have other children.
type Tracer struct{ runs chan func() }

// New starts the thread; the caller closes it.
func New() *Tracer {
	t := &Tracer{runs: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for run := range t.runs {
			run()
		}
	}()
	return t
}

// Close ends the thread.
func (t *Tracer) Close() { close(t.runs) }

// Run runs a command to its end, and what comes of it; one at a time.
func (t *Tracer) Run(ctx context.Context, o Options) (Result, error) {
	r := &tracer{Options: o, threads: map[int]*process{}, procs: map[int]*process{}, after: map[int]func(){}}
	ended := make(chan error)
	t.runs <- func() {
		err := r.start()
		if err == nil {
			err = r.loop(ctx)
		}
		ended <- err
	}
	err := <-ended
	return r.done, err
}
