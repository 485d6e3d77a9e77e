package trace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one that is traced.
type process struct {
	tgid int
	tool string
	args []string
}

// held is a thread that is not released yet.
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
	doomed  bool // every process that is seen from now on is killed
	threads map[int]*process
	procs   map[int]*process
	// after are threads that are stopped again at the end of their call.
	after map[int]func()
	holds []held
	begun time.Time
	done  Result
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

// letGo releases who was held for long enough.
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
	if t.doomed { // it was not seen when all were killed
		return unix.Kill(p.tgid, unix.SIGKILL)
	}
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
		t.doomed = true
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
