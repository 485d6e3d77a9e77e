package guardian

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"

	"bkp/internal/bitbucket"
)

// Command is the hidden command of bkp that Main serves.
const Command = "__guardian"

// ready is the child's line once it watches.
const ready = "ready\n"

// Guardian is a child that watches. Its methods may be called by several
// goroutines.
type Guardian struct {
	cmd *exec.Cmd

	once  sync.Once
	ended error

	mu  sync.Mutex
	to  *json.Encoder
	end io.Closer
}

// Start starts the child and returns when it watches. The caller calls Released
// when nothing is locked any more, whatever happened. The error means that
// there is no child.
func Start(ctx context.Context, w Watch) (*Guardian, error) {
	exe, err := executable()
	if err != nil {
		return nil, err
	}
	// The child outlives the context: that is what it is for.
	cmd := exec.Command(exe) //nolint:noctx // see above
	cmd.Args = []string{"bkp", Command}
	cmd.Dir = string(os.PathSeparator)
	cmd.Env = environment()
	ownSession(cmd)
	to, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	from, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	g := &Guardian{cmd: cmd, to: json.NewEncoder(to), end: to}
	if err := g.greet(ctx, w, from); err != nil {
		_ = cmd.Process.Kill()
		_ = to.Close()
		return nil, errors.Join(err, cmd.Wait())
	}
	return g, nil
}

// executable is this program, also when an upgrade has replaced its file.
func executable() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// environment is what the way to the instance depends on, and no secret of bkp.
func environment() []string {
	var env []string
	for _, name := range []string{
		"PATH", "SYSTEMROOT", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
	} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// greet tells the child what to watch, and waits for its answer.
func (g *Guardian) greet(ctx context.Context, w Watch, from io.Reader) error {
	if err := g.say(w.message()); err != nil {
		return err
	}
	answer := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(from).ReadString('\n')
		if err == nil && line != ready {
			err = fmt.Errorf("it said %q", line)
		}
		answer <- err
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		// Killing the child, as the caller does, ends the reader.
		_ = g.cmd.Process.Kill()
		return errors.Join(context.Cause(ctx), <-answer)
	}
}

func (g *Guardian) say(m message) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.to.Encode(m)
}

// Expect tells the child that the lock is about to be asked for: its clock
// starts.
func (g *Guardian) Expect() error { return g.say(message{Expect: true}) }

// Hold gives the child what it needs to release. Call it again when the lease
// grows.
func (g *Guardian) Hold(l bitbucket.Lease) error {
	return g.say(message{Lease: &leaseMessage{Unlock: l.UnlockToken.Reveal(), Cancel: l.CancelToken.Reveal()}})
}

// Abandon leaves the release to the child, which goes on trying when this
// process has ended.
func (g *Guardian) Abandon() error { return g.end.Close() }

// Released lets the child go and waits until it is gone. It may be called
// twice.
func (g *Guardian) Released() error {
	g.once.Do(func() {
		said := g.say(message{Released: true})
		_ = g.end.Close()
		g.ended = errors.Join(said, g.cmd.Wait())
	})
	return g.ended
}
