package scratch

import (
	"os"
	"os/exec"
	"runtime"
	"time"
)

// stopWithin is how long a server may take to leave before it is killed.
const stopWithin = 10 * time.Second

// Process is a running server.
type Process struct {
	cmd *exec.Cmd
	// done is closed when the process has been waited for.
	done chan struct{}
}

// Start starts cmd; its output goes to the file log. The caller MUST call End.
func Start(cmd *exec.Cmd, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The parent-death signal is bound to the thread that starts the
		// child, so that thread must live as long as the server does.
		runtime.LockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return p, <-started
}

// Done is closed when the server has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// End asks the server to leave, by the signal that it takes for that, kills it
// when it does not, and waits. It is idempotent.
func (p *Process) End(ask os.Signal) {
	if err := p.cmd.Process.Signal(ask); err != nil {
		_ = p.cmd.Process.Kill()
	}
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		p.Kill()
	}
}

// Kill ends the server at once, as a crash would, and waits.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}
