package scratch

import (
	"bytes"
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

	"bkp/internal/debuglog"
)

const (
	// pollEvery is how often a starting server is asked whether it is ready.
	pollEvery = 20 * time.Millisecond
	// ports is how many free ports are tried: another process may take one
	// between its choice and the server's start.
	ports = 5
)

// MaxSocketPath is the longest path of a unix socket on every system, in bytes.
const MaxSocketPath = 103

// Program is how a kind of server is run.
type Program struct {
	// Name is what errors call it.
	Name string
	// Argv starts a server that listens on Host and the port.
	Argv func(port int) []string
	// Ready returns nil once the server answers.
	Ready func(context.Context) error
	// PortTaken is what its output holds when another process has the port.
	PortTaken string
	// Quit asks it to end its sessions and itself.
	Quit os.Signal
	// Orphaned is what it is sent when this process dies, where the system can.
	Orphaned syscall.Signal
}

// Server is a server in a folder of its own. Its methods are not for use by several
// goroutines at once.
type Server struct {
	program Program
	account *Account
	dir     Dir
	port    int
	process *process
	stop    sync.Once
}

// NewServer is a server that does not run yet, in a folder of the account. The
// caller MUST call Stop, whether it runs or not.
func NewServer(p Program, dir Dir, a *Account) *Server {
	return &Server{program: p, dir: dir, account: a}
}

var errPortTaken = errors.New("the port is taken")

// Begin starts the server on a free port and returns once it answers. When it
// fails, nothing runs.
func (s *Server) Begin(ctx context.Context) error {
	var err error
	for range ports {
		if s.port, err = freePort(ctx); err != nil {
			return err
		}
		if err = s.run(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

// Restart ends the server, and starts it again on the same port with the same
// data. When it fails, nothing runs.
func (s *Server) Restart(ctx context.Context) error {
	s.Halt()
	return s.run(ctx)
}

// Halt ends the server; Restart starts it again.
func (s *Server) Halt() {
	if s.process != nil {
		s.process.end(s.program.Quit)
	}
}

// Kill ends the server as a crash would.
func (s *Server) Kill() { s.process.kill() }

// Stop ends the server, waits until it is gone, and removes its folder, unless that
// is the one that the caller wanted. It may be called twice.
func (s *Server) Stop() error {
	var err error
	s.stop.Do(func() {
		s.Halt()
		err = s.dir.Remove()
	})
	return err
}

// Host is the address that the server listens on.
func (s *Server) Host() string { return Host }

// Port is the port that the server listens on.
func (s *Server) Port() int { return s.port }

// Dir is where the server's files lie: the folder that was wanted, or one below the
// system's temporary folder, which Stop removes.
func (s *Server) Dir() string { return s.dir.Path }

// File is the path of a file in Dir.
func (s *Server) File(name string) string { return filepath.Join(s.dir.Path, name) }

// Write writes a file in Dir that the server can read and others cannot, and returns
// its path.
func (s *Server) Write(name, text string) (string, error) {
	path := s.File(name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", err
	}
	return path, s.account.Own(path)
}

// Tool runs a program as the server's account in Dir, to its end, and returns all
// that it printed.
func (s *Server) Tool(ctx context.Context, stdin string, argv ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdin = s.dir.Path, strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begun := time.Now()
	err := RunTool(cmd, s.account, s.program.Orphaned)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	debuglog.Tool(ctx, argv, cmd.ProcessState.ExitCode(), err, begun)
	return bytes.TrimSpace(out.Bytes()), err
}

func (s *Server) run(ctx context.Context) error {
	argv := s.program.Argv(s.port)
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // Stop ends it, gently
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir.Path, environment(), s.account.attributes(s.program.Orphaned)
	var err error
	if s.process, err = start(cmd, s.logFile()); err != nil {
		return err
	}
	debuglog.From(ctx).Debug("scratch server started", "argv", argv)
	if err := s.awaitReady(ctx); err != nil {
		s.Halt()
		return err
	}
	return nil
}

func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := s.program.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", s.program.Name, errors.Join(context.Cause(ctx), err))
		case <-s.process.ended():
			return s.startFailure()
		case <-tick.C:
		}
	}
}

// startFailure is why the server ended before it was ready.
func (s *Server) startFailure() error {
	output, err := os.ReadFile(s.logFile())
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(output))
	if strings.Contains(text, s.program.PortTaken) {
		return fmt.Errorf("%s: %w: %s", s.program.Name, errPortTaken, text)
	}
	return fmt.Errorf("%s ended at once: %s", s.program.Name, text)
}

func (s *Server) logFile() string { return s.File("server.log") }
