package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
)

// probe is a strategy whose verbs the test decides.
type probe struct {
	providers.Base
	verb func(ctx context.Context, name string) error
	// now is the clock of its machine, nil for this one's.
	now func() time.Time
}

// serverAhead is by how much a server, whose clock took the instant, is ahead of the
// machine of the strategy.
const serverAhead = 5 * time.Minute

type probeConfig struct {
	providers.Placed
	Password secret.String     `hcl:"password,optional" help:"x"`
	Names    map[string]string `hcl:"names,optional" help:"x"`
	Nested   []nestedConfig    `hcl:"nested,block" help:"x"`
}

type nestedConfig struct {
	Wait time.Duration `hcl:"wait" help:"x"`
}

func (p probe) Check(ctx context.Context) (providers.Report, error) {
	return providers.Report{Facts: map[string]string{"a": "b"}, Space: []providers.SpaceNeed{{Path: os.TempDir(), Bytes: 1 << 60, For: "much"}}}, p.verb(ctx, "check")
}

func (p probe) Prepare(ctx context.Context, _ providers.BackupID) error {
	return p.verb(ctx, "prepare")
}

func (p probe) Capture(ctx context.Context, _ providers.BackupID) (providers.Artifact, error) {
	now := time.Now
	if p.now != nil {
		now = p.now
	}
	return providers.Artifact{Address: "home.probe.x", PointInTime: now(), ClockAhead: serverAhead, Life: providers.Staged, Trees: providers.OneTree("/there")}, p.verb(ctx, "capture")
}

func (p probe) Discard(ctx context.Context, _ providers.BackupID) error {
	return p.verb(ctx, "discard")
}
func (p probe) Restorer(string) (providers.Restorer, error) { return nil, providers.ErrElsewhere }

func (p probe) Close() error { return p.verb(context.Background(), "close") }

// journal lists what the strategy on the other machine was called for.
type journal struct {
	mu    sync.Mutex
	names []string
	added chan string
}

func newJournal() *journal { return &journal{added: make(chan string, 100)} }

func (j *journal) add(name string) {
	j.mu.Lock()
	j.names = append(j.names, name)
	j.mu.Unlock()
	j.added <- name
}

func (j *journal) wait(t *testing.T, name string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case got := <-j.added:
			if got == name {
				return
			}
		case <-late:
			t.Fatalf("%q did not come; there were %q", name, j.names)
		}
	}
}

func (j *journal) has(name string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, n := range j.names {
		if n == name {
			return true
		}
	}
	return false
}

// pair is a session with an agent in this process.
type pair struct {
	strategy providers.Strategy
	near     *cable
	far      net.Conn
	session  *Session
	ended    chan struct{}

	mu       sync.Mutex
	warnings []string
}

func (p *pair) hear(warning string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.warnings = append(p.warnings, warning)
}

func (p *pair) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.warnings
}

const id = providers.BackupID("prod-20261122T214431Z")

func connectPair(t *testing.T, timeout time.Duration, verb func(j *journal) func(context.Context, string) error) (*pair, *journal) {
	t.Helper()
	return connectPairIn(t, t.TempDir(), timeout, verb)
}

// connectPairIn has its state folder in common with others.
func connectPairIn(t *testing.T, dir string, timeout time.Duration, verb func(j *journal) func(context.Context, string) error) (*pair, *journal) {
	t.Helper()
	return connectPairAt(t, dir, timeout, verb, nil)
}

// connectPairAt has an agent with a clock of its own.
func connectPairAt(t *testing.T, dir string, timeout time.Duration, verb func(j *journal) func(context.Context, string) error, now func() time.Time) (*pair, *journal) {
	t.Helper()
	j := newJournal()
	var opened probeConfig
	def := providers.Define(providers.Homes, "probe", "x", probeConfig{}, func(c probeConfig, _ providers.Env) (providers.Strategy, error) {
		opened = c
		return probe{verb: verb(j), now: now}, nil
	})
	here, far := net.Pipe()
	near := &cable{Conn: here}
	p := &pair{near: near, far: far, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = Serve(context.Background(), far, timeout, Library{Registry: providers.NewRegistry(def), Now: now})
	}()
	p.session = NewSession("connection.x.y", given{near, timeout, dir}, p.hear)
	p.session.begun = func(context.Context, providers.Connection) (providers.Stream, error) {
		return given{near, timeout, dir}, nil
	}
	cfg := &probeConfig{Password: secret.New("hush"), Names: map[string]string{"k": "v"}, Nested: []nestedConfig{{time.Minute}}}
	var err error
	p.strategy, err = Open(Opening{Session: p.session, Definition: def, Config: cfg, Work: "work/x", Env: providers.Env{Address: "home.probe.x", Host: &host.Host{}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.session.Close()
		<-p.ended
		if opened.Password.Reveal() != "hush" || opened.Names["k"] != "v" || len(opened.Nested) != 1 || opened.Nested[0].Wait != time.Minute {
			t.Error("the configuration did not arrive as it was")
		}
	})
	return p, j
}

// given is a connection that is there already.
type given struct {
	net.Conn
	timeout time.Duration
	dir     string
}

// cable is a connection that may fall silent: nothing passes any more, and neither
// side notices.
type cable struct {
	net.Conn
	silent atomic.Bool
}

func (c *cable) Write(p []byte) (int, error) {
	if c.silent.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *cable) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.silent.Load() {
			return n, err
		}
	}
}

func (given) Machine() string                                         { return "filer" }
func (given) Explain(err error) error                                 { return err }
func (given) Wait() error                                             { return nil }
func (given) Start(context.Context, string) (providers.Stream, error) { return nil, errors.New("x") }
func (g given) Settings() providers.ConnectionSettings {
	return providers.ConnectionSettings{StateDir: g.dir, Timeout: g.timeout}
}

func recording(j *journal) func(context.Context, string) error {
	return func(_ context.Context, name string) error { j.add(name); return nil }
}

func TestVerbsArriveAndTreesHaveTheirHost(t *testing.T) {
	p, _ := connectPair(t, 10*time.Second, recording)
	r, err := p.strategy.Check(t.Context())
	if err != nil || r.Facts["a"] != "b" || len(r.Space) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if !r.Failed() {
		t.Error("the space of the other machine is not compared")
	}
	a, err := p.strategy.Capture(t.Context(), id)
	if err != nil || a.Host() != "connection.x.y" || a.Trees[0].Path != "/there" {
		t.Errorf("%+v, %v", a, err)
	}
	if _, ok := providers.As[providers.Keeper](p.strategy); ok {
		t.Error("it keeps what the strategy does not")
	}
}

func TestALostSessionDiscardsWhatIsUnfinished(t *testing.T) {
	for _, verb := range []string{"prepare", "capture"} {
		p, j := connectPair(t, 10*time.Second, func(j *journal) func(context.Context, string) error {
			return func(ctx context.Context, name string) error {
				j.add(name)
				if name == verb {
					<-ctx.Done() // until the session is lost
					return context.Cause(ctx)
				}
				return nil
			}
		})
		failed := make(chan error, 1)
		go func() {
			if err := p.strategy.Prepare(context.Background(), id); err != nil {
				failed <- err
				return
			}
			_, err := p.strategy.Capture(context.Background(), id)
			failed <- err
		}()
		j.wait(t, verb)
		if err := p.far.Close(); err != nil {
			t.Fatal(err)
		}
		err := <-failed
		var said *problem.Problem
		if !errors.As(err, &said) || said.Summary != lost || !strings.Contains(said.Detail, "filer") {
			t.Errorf("%s: %v", verb, err)
		}
		j.wait(t, "discard")
		j.wait(t, "close")
		<-p.ended
	}
}

func TestAFinishedRunDiscardsNothing(t *testing.T) {
	p, j := connectPair(t, 10*time.Second, recording)
	if err := p.strategy.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := p.strategy.Capture(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := p.strategy.Close(); err != nil {
		t.Fatal(err)
	}
	p.session.Close()
	<-p.ended
	if j.has("discard") {
		t.Error("what was captured is discarded")
	}
}

func TestCancellingEndsTheVerbBeforeTheCallReturns(t *testing.T) {
	var left sync.WaitGroup
	p, j := connectPair(t, 10*time.Second, func(j *journal) func(context.Context, string) error {
		return func(ctx context.Context, name string) error {
			j.add(name)
			if name == "prepare" {
				left.Add(1)
				defer left.Done()
				<-ctx.Done()
				j.add("left")
				return context.Cause(ctx)
			}
			return nil
		}
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	go func() { j.wait(t, "prepare"); cancel(why) }()
	if err := p.strategy.Prepare(ctx, id); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if !j.has("left") {
		t.Error("the verb still runs")
	}
}

// TestAMachineThatFallsSilentIsLost, by both sides, while a verb runs.
func TestAMachineThatFallsSilentIsLost(t *testing.T) {
	p, j := connectPair(t, time.Second, func(j *journal) func(context.Context, string) error {
		return func(ctx context.Context, name string) error {
			j.add(name)
			if name == "prepare" {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		}
	})
	failed := make(chan error, 1)
	go func() { failed <- p.strategy.Prepare(context.Background(), id) }()
	j.wait(t, "prepare")
	p.near.silent.Store(true)
	j.wait(t, "discard")
	select {
	case err := <-failed:
		var said *problem.Problem
		if !errors.As(err, &said) || said.Summary != lost {
			t.Errorf("it failed with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the call still waits")
	}
	<-p.ended
}

// TestAFolderIsOneSessions: another machine that runs bkp may be configured for it, too.
func TestAFolderIsOneSessions(t *testing.T) {
	dir := t.TempDir()
	first, _ := connectPairIn(t, dir, 10*time.Second, recording)
	second, j := connectPairIn(t, dir, 10*time.Second, recording)
	if err := first.strategy.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := second.strategy.Prepare(t.Context(), id); err == nil || !strings.Contains(err.Error(), "another bkp works on the other machine") {
		t.Errorf("the second got %v", err)
	}
	if j.has("prepare") {
		t.Error("the second was let in")
	}
	first.session.Close()
	<-first.ended
	if err := second.strategy.Prepare(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestASilentMachineIsLost(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	go func() { _, _ = io.Copy(io.Discard, far) }() // takes all, and never answers
	stream := given{near, time.Second, t.TempDir()}
	s := NewSession("connection.x.y", stream, func(string) {})
	s.begun = func(context.Context, providers.Connection) (providers.Stream, error) { return stream, nil }
	begun := time.Now()
	if _, err := s.connected(t.Context()); err == nil || time.Since(begun) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
}

func TestErrorsKeepWhatIsActedOn(t *testing.T) {
	full := problem.Wrap(&os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, "no space", "free some")
	got := toWire(full).on("filer")
	if !host.IsFull(got) || problem.Remedy(got) != "free some" || !strings.Contains(got.Error(), "filer") {
		t.Errorf("%v", got)
	}
	damage := &providers.DamageError{Address: "home.x.y", Tree: "/t", Count: 2, Found: []string{"a"}, Folders: []string{"f"}, Cause: errors.New("gone")}
	var back *providers.DamageError
	if got := toWire(damage).on("filer"); !errors.As(got, &back) || back.Count != 2 || back.Cause == nil || back.Folders[0] != "f" {
		t.Errorf("%+v", back)
	}
}

// shell is a connection to this machine whose scripts go through words.
type shell struct {
	words    []string
	settings providers.ConnectionSettings
}

func (shell) Machine() string                          { return "here" }
func (s shell) Settings() providers.ConnectionSettings { return s.settings }
func (shell) Explain(err error) error                  { return err }
func (s shell) Start(ctx context.Context, script string) (providers.Stream, error) {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c"}, append(s.words, "/bin/sh", "-c", script)...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{cmd, in, out}, cmd.Start()
}

type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	io.Reader
}

func (p *process) Write(b []byte) (int, error) { return p.in.Write(b) }
func (p *process) Wait() error                 { return p.cmd.Wait() }
func (p *process) Close() error                { return p.in.Close() }

func TestWhatAMachineSaysFirst(t *testing.T) {
	for name, c := range map[string]struct{ words, want, detail string }{
		"processor": {`uname() { case $1 in -s) echo Linux;; *) echo mips64;; esac; }; ` + `shift 2; eval "$1"`, "bkp was made for another kind of machine", "mips64"},
		"ends":      {`echo account disabled; exit 0`, "the other machine did not run bkp", "account disabled"},
		"noise":     {`yes | head -c 3000000; exit 0`, "the other machine prints too much", "y"},
		"missing":   {`echo hello; printf 'no line end'; exec "$@"`, "bkp is missing on the other machine", "here"},
	} {
		words := []string{c.words, "sh"}
		if runtime.GOOS != "linux" && name == "processor" {
			continue
		}
		conn := shell{words: words, settings: providers.ConnectionSettings{StateDir: filepath.Join(t.TempDir(), "state"), Timeout: time.Second}}
		_, err := connect(t.Context(), conn)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Summary != c.want || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFramesRefuseWhatIsTooLong(t *testing.T) {
	f := &frames{rw: bytes.NewBuffer([]byte{'a', 0xff, 0xff, 0xff, 0xff})}
	if _, _, err := f.read(); err == nil {
		t.Error("a message of 4 GiB is read")
	}
}

// TestInstantsAreByTheClockOfThisMachine, however wrong the other one's is.
func TestInstantsAreByTheClockOfThisMachine(t *testing.T) {
	for _, wrong := range []time.Duration{0, 3 * time.Minute, -3 * time.Minute} {
		p, _ := connectPairAt(t, t.TempDir(), 10*time.Second, recording, func() time.Time { return time.Now().Add(wrong) })
		if err := p.strategy.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		a, err := p.strategy.Capture(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		late := time.Since(before)
		if d := (a.ClockAhead - serverAhead - wrong).Abs(); d > time.Minute || wrong == 0 && a.ClockAhead != serverAhead {
			t.Errorf("a clock that is ahead by %s is said to be so by %s", serverAhead+wrong, a.ClockAhead)
		}
		if d := a.PointInTime.Sub(before); d < -time.Minute || d > late+time.Minute {
			t.Errorf("ahead by %s: the capture at %s is said to be of %s", wrong, before, a.PointInTime)
		}
		if said := strings.Join(p.said(), "\n"); (wrong != 0) != strings.Contains(said, "the clock of filer differs") {
			t.Errorf("ahead by %s: said %q", wrong, said)
		}
	}
}
