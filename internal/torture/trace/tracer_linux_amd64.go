package trace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
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
	// CutAfter closes the connection right after it happened: whoever waits for
	// an answer gets none.
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
	// Started is told of each program that starts, while it is stopped; may be nil.
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
	// Killed tells that Options.Kill or an Action killed it.
	Killed bool
	// Late tells that it had to be killed at its limit.
	Late bool
	// Left are programs that were alive after Linger.
	Left []string
}

// process is one that is traced.
type process struct {
	tgid int
	tool string
	args []string
}

// held is a thread that is not let go yet.
type held struct {
	tid  int
	hold func() bool
}

// tracer is one Run.
type tracer struct {
	Options

	mu      sync.Mutex
	main    int
	running bool // the command itself has begun
	threads map[int]*process
	procs   map[int]*process
	// after are threads that are stopped again at the end of their call.
	after map[int]func()
	holds []held
	begun time.Time
	done  Result
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

// keepTimeEvery is how exactly holds and limits are kept.
const keepTimeEvery = 2 * time.Millisecond

const options = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
	unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_EXITKILL

// start starts the command, by way of Exec if effects are asked for.
func (t *tracer) start() error {
	argv := t.Argv
	if t.Decide != nil {
		argv = append([]string{os.Args[0], Command}, argv...)
	}
	cmd := exec.Command(argv[0]) //nolint:noctx,gosec // the loop ends it; running what the caller names is the job
	if t.Decide != nil {
		cmd.Path = "/proc/self/exe"
	}
	cmd.Args, cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = argv, t.Env, t.Dir, t.Output, t.Output
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	t.main, t.begun = cmd.Process.Pid, time.Now()
	if err := cmd.Process.Release(); err != nil {
		return err
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(t.main, &status, unix.WALL, nil); err != nil || !status.Stopped() {
		return fmt.Errorf("%s did not stop at its start: %w", argv[0], err)
	}
	if err := unix.PtraceSetOptions(t.main, options); err != nil {
		return err
	}
	t.running = t.Decide == nil
	t.named(t.main)
	return t.cont(t.main, 0)
}

// loop serves the stops until nothing is left.
func (t *tracer) loop(ctx context.Context) error {
	stop := t.watch(ctx)
	defer stop()
	for {
		how := unix.WALL | unix.WNOTHREAD
		if len(t.holds) > 0 {
			how |= unix.WNOHANG
			t.letGo()
		}
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, how, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return nil
		case err != nil:
			return err
		case tid == 0:
			time.Sleep(keepTimeEvery)
			continue
		}
		t.mu.Lock()
		err = t.stopped(tid, status)
		t.mu.Unlock()
		if err != nil && !errors.Is(err, unix.ESRCH) { // killed meanwhile
			return err
		}
	}
}

// watch kills what is late, until the function that it returns is called: the
// loop waits for the kernel alone.
func (t *tracer) watch(ctx context.Context) (stop func()) {
	end := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(keepTimeEvery)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				t.mu.Lock()
				t.keepTime(ctx)
				t.mu.Unlock()
			}
		}
	})
	return func() { close(end); wait.Wait() }
}

// letGo lets go of who was held for long enough.
func (t *tracer) letGo() {
	rest := t.holds[:0]
	for _, h := range t.holds {
		if h.hold() {
			rest = append(rest, h)
			continue
		}
		_ = t.cont(h.tid, 0)
	}
	t.holds = rest
}

// keepTime kills what is late.
func (t *tracer) keepTime(ctx context.Context) {
	now := time.Now()
	alive := t.done.Ended.IsZero()
	switch {
	case t.Kill > 0 && alive && !t.done.Killed && now.Sub(t.begun) >= t.Kill:
		t.killMain()
	case alive && now.Sub(t.begun) > t.Limit || ctx.Err() != nil:
		t.done.Late = t.done.Late || ctx.Err() == nil
		t.killAll()
	case !alive && now.Sub(t.done.Ended) > t.Linger:
		if t.done.Left == nil {
			for _, p := range t.procs {
				t.done.Left = append(t.done.Left, strings.Join(p.args, " "))
			}
		}
		t.killAll()
	}
}

func (t *tracer) killMain() {
	t.done.Killed = true
	_ = unix.Kill(t.main, unix.SIGKILL)
}

func (t *tracer) killAll() {
	for tgid := range t.procs {
		_ = unix.Kill(tgid, unix.SIGKILL)
	}
}

func (t *tracer) stopped(tid int, status unix.WaitStatus) error {
	if !status.Stopped() {
		t.gone(tid, status)
		return nil
	}
	p := t.processOf(tid)
	sig := status.StopSignal()
	switch {
	case sig == unix.SIGTRAP|0x80: // the end of a call
		if then := t.after[tid]; then != nil {
			delete(t.after, tid)
			then()
		}
		return t.cont(tid, 0)
	case sig == unix.SIGTRAP && status.TrapCause() > 0:
		return t.event(tid, p, status.TrapCause())
	case sig == unix.SIGSTOP: // how a new thread begins, though not always first
		return t.cont(tid, 0)
	}
	return t.cont(tid, int(sig))
}

func (t *tracer) event(tid int, p *process, cause int) error {
	switch cause {
	case unix.PTRACE_EVENT_EXEC:
		t.forgetOthers(tid)
		t.named(tid)
		if tid == t.main && !t.running {
			t.running = t.threads[tid].args[0] == t.Argv[0]
		}
		if t.running && t.Started != nil {
			t.Started(p.tgid, p.tgid == t.main, t.threads[tid].args)
		}
	case unix.PTRACE_EVENT_SECCOMP:
		if !t.running || t.Decide == nil {
			break
		}
		var regs unix.PtraceRegs
		if err := unix.PtraceGetRegs(tid, &regs); err != nil {
			return err
		}
		if e, ok := t.describe(tid, &regs); ok {
			return t.do(e, &regs, t.Decide(e))
		}
	}
	return t.cont(tid, 0)
}

// do carries out what was decided.
func (t *tracer) do(e Effect, regs *unix.PtraceRegs, a Action) error {
	switch {
	case a.Errno != 0:
		if a.Cut {
			cut(e.tgid, e.fd)
		}
		// No call has this number: the kernel leaves the result as it stands.
		regs.Orig_rax, regs.Rax = ^uint64(0), uint64(-int64(a.Errno))
		if err := unix.PtraceSetRegs(e.tid, regs); err != nil {
			return err
		}
	case a.Kill:
		return unix.Kill(e.tgid, unix.SIGKILL)
	case a.KillMain:
		t.killMain()
		if e.Main {
			return nil
		}
	case a.KillAll:
		t.killMain()
		t.killAll()
		return nil
	case a.Crash:
		if err := unix.Tgkill(e.tgid, e.tid, unix.SIGSEGV); err != nil {
			return err
		}
	case a.Hold != nil:
		t.holds = append(t.holds, held{e.tid, a.Hold})
		return nil
	case a.CutAfter:
		t.after[e.tid] = func() { cut(e.tgid, e.fd) }
		return unix.PtraceSyscall(e.tid, 0)
	case a.KillMainAfter:
		t.after[e.tid] = t.killMain
		return unix.PtraceSyscall(e.tid, 0)
	}
	return t.cont(e.tid, 0)
}

// cut closes a connection in both directions; what was sent still arrives.
func cut(tgid, fd int) {
	mine, err := take(tgid, fd)
	if err != nil {
		return
	}
	_ = unix.Shutdown(mine, unix.SHUT_RDWR)
	_ = unix.Close(mine)
}

func (t *tracer) cont(tid, sig int) error { return unix.PtraceCont(tid, sig) }

// gone is a thread that has ended, or a process with its last thread.
func (t *tracer) gone(tid int, status unix.WaitStatus) {
	delete(t.threads, tid)
	delete(t.after, tid)
	if _, ok := t.procs[tid]; !ok {
		return
	}
	delete(t.procs, tid)
	if tid == t.main {
		t.done.Status, t.done.Ended = status, time.Now()
	}
}

// forgetOthers drops the threads of a process that has become another program.
func (t *tracer) forgetOthers(tgid int) {
	for tid, p := range t.threads {
		if p.tgid == tgid && tid != tgid {
			delete(t.threads, tid)
			delete(t.after, tid)
		}
	}
}

// processOf finds the process of a thread, which may be new.
func (t *tracer) processOf(tid int) *process {
	if p := t.threads[tid]; p != nil {
		return p
	}
	tgid := groupOf(tid)
	p := t.procs[tgid]
	if p == nil {
		p = &process{tgid: tgid}
		t.procs[tgid] = p
		p.name()
	}
	t.threads[tid] = p
	return p
}

// named reads anew which program a process is.
func (t *tracer) named(tid int) { t.processOf(tid).name() }

func (p *process) name() {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.tgid))
	if err != nil || len(b) == 0 {
		return
	}
	p.args = strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	p.tool = filepath.Base(p.args[0])
}

func groupOf(tid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return tid
	}
	_, rest, _ := strings.Cut(string(b), "\nTgid:")
	var tgid int
	if _, err := fmt.Sscan(rest, &tgid); err != nil {
		return tid
	}
	return tgid
}
