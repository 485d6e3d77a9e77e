package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"

	"bkp/internal/host"
	"bkp/providers"
)

// Command is the hidden command that runs an agent; its argument is the timeout of
// its session, in milliseconds.
const Command = "__agent"

// Library is what an agent can run.
type Library struct {
	Registry *providers.Registry
	Packer   providers.Packer
	// Now is the clock; nil for the machine's own.
	Now func() time.Time
}

func (lib Library) now() time.Time {
	if lib.Now == nil {
		return time.Now()
	}
	return lib.Now()
}

const (
	// leaveTimeout is how long calls may take to end when the session is over, and
	// undoTimeout if one of them is a restore: it removes what it had unpacked, or the
	// tables that it had filled.
	leaveTimeout = 30 * time.Second
	undoTimeout  = 15 * time.Minute
	// discardTimeout bounds what is removed then.
	discardTimeout = 5 * time.Minute
)

// Main is the agent: it serves the session on in and out until that ends, and
// returns an exit code.
func Main(ctx context.Context, args []string, in io.ReadCloser, out io.WriteCloser, lib Library) int {
	timeout := providers.ConnectionDefaults().Timeout
	if len(args) > 0 {
		if ms, err := strconv.Atoi(args[0]); err == nil && ms > 0 {
			timeout = time.Duration(ms) * time.Millisecond
		}
	}
	if err := Serve(ctx, pipes{in, out}, timeout, lib); err != nil {
		return 1
	}
	return 0
}

// pipes are two pipes as one connection.
type pipes struct {
	io.ReadCloser
	out io.WriteCloser
}

func (p pipes) Write(b []byte) (int, error) { return p.out.Write(b) }

func (p pipes) Close() error { return errors.Join(p.ReadCloser.Close(), p.out.Close()) }

// Serve runs an agent on a connection, and returns when the session has ended and
// all that was unfinished is discarded.
func Serve(ctx context.Context, conn io.ReadWriteCloser, timeout time.Duration, lib Library) error {
	mux, err := yamux.Server(conn, heartbeat(timeout))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &agent{lib: lib, held: map[string]*held{}, folders: map[string]*folder{}}
	accepted := make(chan struct{})
	go func() { // Accept ends with the session
		defer close(accepted)
		for {
			stream, err := mux.AcceptStream()
			if err != nil {
				return
			}
			a.calls.Go(func() { a.serve(ctx, stream) })
		}
	}()
	select {
	case <-mux.CloseChan():
	case <-ctx.Done(): // a signal: the other side sees the end
		go func() { _ = mux.Close() }() // it waits for a reader that the system may hold
	}
	cancel()
	return a.end(accepted)
}

// agent is what runs on the other machine, for one session.
type agent struct {
	lib   Library
	calls sync.WaitGroup

	// restores is how many are under way.
	restores atomic.Int32

	mu   sync.Mutex
	held map[string]*held
	// folders are the work folders, by their paths.
	folders map[string]*folder
}

// serve answers one call.
func (a *agent) serve(ctx context.Context, stream io.ReadWriteCloser) {
	defer func() { _ = stream.Close() }()
	f := &frames{rw: stream}
	k, content, err := f.read()
	if err != nil || k != asking {
		return
	}
	var c call
	if err := json.Unmarshal(content, &c); err != nil {
		_ = f.writeJSON(answering, answer{Error: toWire(fmt.Errorf("call: %w", err))})
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, fed := io.Pipe()
	defer func() { _ = in.Close() }()
	go a.listen(f, fed, cancel)
	out, err := a.guarded(ctx, c, f, in)
	out.Error = toWire(err)
	_ = f.writeJSON(answering, out) // nobody may be there any more
}

// listen takes what the caller sends while its call runs, until the stream ends.
func (a *agent) listen(f *frames, fed *io.PipeWriter, cancel context.CancelFunc) {
	defer cancel()
	for {
		k, content, err := f.read()
		switch {
		case err != nil:
			_ = fed.CloseWithError(io.ErrUnexpectedEOF)
			return
		case k == cancelling:
			_ = fed.CloseWithError(context.Canceled)
			cancel()
		case k == data:
			_, _ = fed.Write(content) // nobody reads any more: the call has its error
		case k == dataEnd:
			_ = fed.Close()
		}
	}
}

// guarded makes an error of a panic: the session, and what others hold in it, goes on.
func (a *agent) guarded(ctx context.Context, c call, f *frames, in io.Reader) (out answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fault of bkp in %s of %s: %v", c.Name, c.Address, p)
		}
	}()
	switch c.Name {
	case callHello:
		out.Hello, err = greet(a.lib.now)
		return out, err
	case callOpen:
		return out, a.open(c)
	case callTidy:
		return out, a.tidy(ctx, c)
	case callRelate:
		return answer{Relations: host.RelateAll(c.Folders, c.Others)}, nil
	case callRestore:
		a.restores.Add(1)
		defer a.restores.Add(-1)
	}
	h, err := a.of(c.Address)
	if err != nil {
		return out, err
	}
	return h.run(ctx, c, f, in)
}

func greet(now func() time.Time) (*greeting, error) {
	sum, err := OwnDigest()
	if err != nil {
		return nil, err
	}
	name, _ := os.Hostname() // for messages alone
	return &greeting{SHA256: sum, Machine: name, Now: now()}, nil
}

// OwnDigest is the SHA-256 of this program, in hexadecimal. It is read once.
func OwnDigest() (string, error) { return ownDigest() }

var ownDigest = sync.OnceValues(func() (string, error) {
	path, err := host.Program()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
})

func (a *agent) of(address string) (*held, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h, ok := a.held[address]
	if !ok {
		return nil, fmt.Errorf("%s is not open", address)
	}
	return h, nil
}

// open makes a strategy. What was open at its address is closed.
func (a *agent) open(c call) error {
	if c.Open == nil {
		return errors.New("nothing is said of what to open")
	}
	h, err := newHeld(a.lib, c.Address, *c.Open, a.folder(*c.Open))
	if err != nil {
		return err
	}
	a.mu.Lock()
	before := a.held[c.Address]
	a.held[c.Address] = h
	a.mu.Unlock()
	if before != nil {
		return before.strategy.Close()
	}
	return nil
}

// folder is the work folder of a component: one for all that have it open.
func (a *agent) folder(o opening) *folder {
	path := filepath.Join(o.StateDir, o.Work)
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.folders[path]
	if !ok {
		f = newFolder(path)
		a.folders[path] = f
	}
	return f
}

// tidy removes what a restore of a component left that was killed. The component need
// not be open, nor be declared any more.
func (a *agent) tidy(ctx context.Context, c call) error {
	if c.Open == nil || c.Open.Work == "" {
		return errors.New("no folder is named")
	}
	return a.folder(*c.Open).tidy(ctx)
}

// end discards what is unfinished, and closes all, once no call can come any more:
// accepted is closed then. What could not be discarded is left to the next run, which
// knows it from its journal.
func (a *agent) end(accepted <-chan struct{}) error {
	ended := make(chan struct{})
	go func() { <-accepted; a.calls.Wait(); close(ended) }()
	timeout := leaveTimeout
	if a.restores.Load() > 0 {
		timeout = undoTimeout
	}
	select {
	case <-ended:
	case <-time.After(timeout):
	}
	ctx, cancel := context.WithTimeout(context.Background(), discardTimeout)
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	var all error
	for _, h := range a.held {
		all = errors.Join(all, h.end(ctx))
	}
	for _, f := range a.folders {
		all = errors.Join(all, f.release())
	}
	return all
}
