package pgserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	host      = "127.0.0.1"
	superuser = "bkp"

	// pollEvery is how often a starting server is asked whether it is ready.
	pollEvery = 20 * time.Millisecond
	// stopWithin is how long a server may take to leave before it is killed.
	stopWithin = 10 * time.Second
	// ports is how many free ports are tried: another process may take one
	// between its choice and the server's start.
	ports = 5
	// maxSocketPath is the longest path of a unix socket on every system.
	maxSocketPath = 103
)

// Server is a running scratch server.
type Server struct {
	dir      string
	ownDir   bool
	bin      string
	port     int
	password string
	socket   bool
	settings []string

	cmd *exec.Cmd
	// done is closed when the process has been waited for.
	done chan struct{}
	stop sync.Once
}

// Start makes a new database cluster in dir, which is created if it does not
// exist and must hold none yet, and returns once the server answers. settings
// are added to the server's configuration, as in "max_connections=20".
//
// The caller MUST call Stop. Where the system can, the server also ends when
// this process dies. The error wraps ErrNotInstalled when there is no server
// to start.
func Start(ctx context.Context, dir string, settings ...string) (*Server, error) {
	bin, err := BinDir()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, password: rand.Text(), settings: settings}
	if err := s.makeDir(dir); err != nil {
		return nil, err
	}
	if err := s.initdb(ctx); err != nil {
		return nil, errors.Join(err, s.removeOwnDir())
	}
	for range ports {
		if s.port, err = freePort(ctx); err != nil {
			break
		}
		if err = s.run(ctx); err == nil {
			return s, nil
		}
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, errors.Join(err, s.removeOwnDir())
}

// makeDir makes the server's folder and gives it to the user it runs as.
func (s *Server) makeDir(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s.dir = dir
	if other := runsAs(); other != nil && !reachable(dir) {
		if s.dir, err = os.MkdirTemp("", "bkp-postgresql-"); err != nil {
			return err
		}
		s.ownDir = true
	}
	s.socket = len(filepath.Join(s.dir, ".s.PGSQL.65535.lock")) <= maxSocketPath
	return own(s.dir)
}

func (s *Server) removeOwnDir() error {
	if !s.ownDir {
		return nil
	}
	return os.RemoveAll(s.dir)
}

func (s *Server) initdb(ctx context.Context) error {
	pwfile := filepath.Join(s.dir, "password")
	if err := os.WriteFile(pwfile, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(pwfile) }()
	if err := own(pwfile); err != nil {
		return err
	}
	// The C locale is on every machine, and sorts alike on all of them.
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"),
		"--pgdata", s.data(), "--username", superuser, "--pwfile", pwfile,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir, environment(), attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

var errPortTaken = errors.New("the port is taken")

// Restart ends the server, and starts it again on the same port with the same
// data. When it fails, the server is stopped.
func (s *Server) Restart(ctx context.Context) error {
	s.end()
	return s.run(ctx)
}

// run starts the server on its port and waits until it answers.
func (s *Server) run(ctx context.Context) error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()

	s.cmd = exec.Command(filepath.Join(s.bin, "postgres"), s.args()...) //nolint:noctx // Stop ends it, gently
	s.cmd.Dir, s.cmd.Env, s.cmd.SysProcAttr = s.dir, environment(), attributes()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.done = make(chan struct{})
	started := make(chan error, 1)
	go func() {
		// The parent-death signal is bound to the thread that starts the
		// child, so that thread must live as long as the server does.
		runtime.LockOSThread()
		defer close(s.done)
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		s.end()
		return err
	}
	return nil
}

func (s *Server) args() []string {
	socket := ""
	if s.socket {
		socket = s.dir
	}
	all := append([]string{
		"listen_addresses=" + host, "port=" + strconv.Itoa(s.port), "unix_socket_directories=" + socket,
		"fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB",
	}, s.settings...)
	args := []string{"-D", s.data()}
	for _, setting := range all {
		args = append(args, "-c", setting)
	}
	return args
}

func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("postgres is not ready: %w", errors.Join(context.Cause(ctx), err))
		case <-s.done:
			return s.startFailure()
		case <-tick.C:
		}
	}
}

// startFailure tells why the server left before it was ready.
func (s *Server) startFailure() error {
	words, err := os.ReadFile(s.logFile())
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(words))
	if strings.Contains(text, "could not bind") {
		return fmt.Errorf("postgres: %w: %s", errPortTaken, text)
	}
	return fmt.Errorf("postgres ended at once: %s", text)
}

// Stop ends the server and waits until it is gone. What it kept in the folder
// given to Start stays there. It is idempotent.
func (s *Server) Stop() error {
	var err error
	s.stop.Do(func() {
		s.end()
		err = s.removeOwnDir()
	})
	return err
}

func (s *Server) end() {
	// os.Interrupt asks for a fast shutdown: sessions end, then the server.
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		_ = s.cmd.Process.Kill()
	}
	select {
	case <-s.done:
	case <-time.After(stopWithin):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// CreateDatabase creates a database.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	return s.Exec(ctx, "postgres", "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
}

// Exec runs SQL statements in a database, as the server's superuser.
func (s *Server) Exec(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

// URL is how a client reaches a database of the server; it holds the password.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: net.JoinHostPort(host, strconv.Itoa(s.port)), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Host is the address that the server listens on.
func (s *Server) Host() string { return host }

// Port is the port that the server listens on.
func (s *Server) Port() int { return s.port }

// User is the server's superuser.
func (s *Server) User() string { return superuser }

// Password of User.
func (s *Server) Password() string { return s.password }

// SocketDir is the folder of the unix socket, "" if there is none because the
// folder's name is too long for one.
func (s *Server) SocketDir() string {
	if !s.socket {
		return ""
	}
	return s.dir
}

// Dir is where the server's files lie: the folder given to Start, or one
// below the system's temporary folder, which Stop removes.
func (s *Server) Dir() string { return s.dir }

func (s *Server) data() string    { return filepath.Join(s.dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "server.log") }

// environment is what the server's tools get: the PG variables of this
// process are meant for another server.
func environment() []string {
	return []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// reachable tells whether every user may pass through all parents of dir.
func reachable(dir string) bool {
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if parent == filepath.Dir(parent) {
			return true
		}
	}
}

// own gives path to the user that the server runs as.
func own(path string) error {
	other := runsAs()
	if other == nil {
		return nil
	}
	err := os.Chown(path, other.uid, other.gid)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: as root, the server must run as another user", err)
	}
	return err
}
