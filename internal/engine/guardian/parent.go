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
	"sync"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/debuglog"
	"bkp/internal/host"
)

// Command is the hidden command of bkp that Main serves.
const Command = "__guardian"

// Guardian is a child that watches. Its methods may be called by several
// goroutines.
type Guardian struct {
	cmd *exec.Cmd

	once  sync.Once
	ended error

	mu  sync.Mutex
	to  *json.Encoder
	end io.Closer

	// answers are the child's lines; closed when it has ended.
	answers chan answer
}

// Start starts the child and returns when it watches. The caller calls Released
// when nothing is locked any more, whatever happened. The error means that
// there is no child.
func Start(ctx context.Context, w Watch) (*Guardian, error) {
	exe, err := host.Program()
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
	debuglog.From(ctx).Debug("guardian started", "pid", cmd.Process.Pid)
	// Room for all the answers there are, so that the reader ends with the child.
	g := &Guardian{cmd: cmd, to: json.NewEncoder(to), end: to, answers: make(chan answer, 3)}
	go g.read(from)
	if err := g.greet(ctx, w); err != nil {
		_ = cmd.Process.Kill()
		_ = to.Close()
		return nil, errors.Join(err, cmd.Wait())
	}
	return g, nil
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

// read hands on what the child answers, until it ends.
func (g *Guardian) read(from io.Reader) {
	defer close(g.answers)
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			return
		}
		g.answers <- a
	}
}

// greet sends the child what to watch, and waits for its answer.
func (g *Guardian) greet(ctx context.Context, w Watch) error {
	if err := g.say(w.message()); err != nil {
		return err
	}
	select {
	case a := <-g.answers:
		if !a.Ready {
			return errors.New("it ended at once")
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *Guardian) say(m message) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.to.Encode(m)
}

// Lock lets the child lock the instance: then there is no moment at which only
// this process, which may die, waits for the token. The child's clock starts. Its
// errors are those of bitbucket.Client.Lock, as far as they wrap others. Call it
// once; the child bounds it.
func (g *Guardian) Lock(ctx context.Context) (l bitbucket.Lease, err error) {
	begun := time.Now()
	defer func() {
		debuglog.Hide(ctx, l.UnlockToken)
		log := debuglog.From(ctx).With("pid", g.cmd.Process.Pid, "took", time.Since(begun))
		if err != nil {
			log = log.With("error", err)
		}
		log.Debug("lock, asked for by the guardian")
	}()
	if err := g.say(message{Lock: true}); err != nil {
		return bitbucket.Lease{}, err // it was dead before
	}
	asked := false
	for {
		select {
		case a, alive := <-g.answers:
			switch {
			case a.Lease != nil:
				return a.Lease.lease(), nil
			case a.Failed != nil:
				return bitbucket.Lease{}, a.Failed
			case !alive:
				return bitbucket.Lease{}, &Failure{Text: "the guardian died while it took the lock", Unknown: asked, UnderWay: asked}
			}
			asked = a.Asking
		case <-ctx.Done():
			return bitbucket.Lease{}, &Failure{Text: "the guardian does not answer: " + context.Cause(ctx).Error(), Unknown: true, UnderWay: true}
		}
	}
}

// Hold gives the child what it needs to release. Call it again when the lease
// grows.
func (g *Guardian) Hold(l bitbucket.Lease) error {
	return g.say(message{Lease: &leaseMessage{Unlock: l.UnlockToken.Reveal(), Cancel: l.CancelToken.Reveal()}})
}

// Abandon leaves the release to the child, which goes on trying when this
// process has ended.
func (g *Guardian) Abandon() error { return g.end.Close() }

// endTimeout is how long a child that is not needed any more may take to end.
const endTimeout = 10 * time.Second

// errStopped is for a child that had to be killed: it was stopped, or its
// machine has no time for it.
var errStopped = fmt.Errorf("the guardian did not end within %s and was killed; nothing is locked", endTimeout)

// Released ends the child and waits until it is gone. One that does not end, such
// as a stopped process, is killed: nothing is locked any more. It may be called
// twice.
func (g *Guardian) Released() error {
	g.once.Do(func() {
		said := g.say(message{Released: true})
		_ = g.end.Close()
		stopped := make(chan struct{})
		kill := time.AfterFunc(endTimeout, func() {
			close(stopped)
			_ = g.cmd.Process.Kill()
		})
		ended := g.cmd.Wait()
		if !kill.Stop() {
			<-stopped
			ended = errStopped
		}
		g.ended = errors.Join(said, ended)
	})
	return g.ended
}
