package scratch

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// stopWithin is how long a server may take to leave before it is killed.
const stopWithin = 10 * time.Second

// process is a running server.
type process struct {
	cmd *exec.Cmd
	// done is closed when the process has been waited for.
	done chan struct{}
}

// start starts cmd; its output goes to the file log. The caller MUST call end.
func start(cmd *exec.Cmd, log string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	p := &process{cmd: cmd, done: make(chan struct{})}
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
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// ended is closed when the server has ended.
func (p *process) ended() <-chan struct{} { return p.done }

// end asks the server to leave, by the signal that it takes for that, kills it
// when it does not, and waits. It is idempotent.
func (p *process) end(ask os.Signal) {
	if err := p.cmd.Process.Signal(ask); err != nil {
		_ = p.cmd.Process.Kill()
	}
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		p.kill()
	}
}

// kill ends the server at once, as a crash would, and waits.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// RunTool runs a server's tool to its end, as the account, with nothing of this
// process's environment. It is sent the signal when this process dies, where the
// system can.
func RunTool(cmd *exec.Cmd, a *Account, orphaned syscall.Signal) error {
	cmd.Env, cmd.SysProcAttr = environment(), a.attributes(orphaned)
	// The signal that ends it with this process is bound to this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}
