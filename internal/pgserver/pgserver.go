package pgserver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"bkp/internal/scratch"
)

const (
	// superuser is the default of Options.Superuser.
	superuser = "bkp"
	// orphaned is what a server is sent whose parent died: it ends its sessions'
	// processes, and gives back the memory that they share.
	orphaned = syscall.SIGQUIT

	// pollEvery is how often a starting server is asked whether it is ready.
	pollEvery = 20 * time.Millisecond
	// ports is how many free ports are tried: another process may take one
	// between its choice and the server's start.
	ports = 5
	// maxSocketPath is the longest path of a unix socket on every system.
	maxSocketPath = 103
)

// Server is a running scratch server.
type Server struct {
	dir      scratch.Dir
	account  *scratch.Account
	bin      string
	user     string
	port     int
	password string
	socket   bool
	settings []string
	// cluster is somebody else's; "" for one of the server's own.
	cluster string

	process *scratch.Process
	stop    sync.Once
}

// Options of a server.
type Options struct {
	// Dir is created if it does not exist, and must hold no cluster yet.
	Dir string
	// Insist fails where the server cannot have its files in Dir; otherwise
	// they then lie elsewhere (see Server.Dir).
	Insist bool
	// BinDir is the folder of the server's programs; "" is the newest's.
	BinDir string
	// Superuser is the role that owns the cluster; "" is "bkp". PostgreSQL refuses
	// names that begin with pg_.
	Superuser string
	// Settings are added to the configuration, as in "max_connections=20".
	Settings []string
}

// Start is Run in a folder with settings.
func Start(ctx context.Context, dir string, settings ...string) (*Server, error) {
	return Run(ctx, Options{Dir: dir, Settings: settings})
}

// Run makes a new database cluster, and returns once the server answers.
//
// The caller MUST call Stop. Where the system can, the server also ends when
// this process dies. The error wraps ErrNotInstalled when there is no server
// to start.
func Run(ctx context.Context, o Options) (*Server, error) {
	bin, err := o.BinDir, error(nil)
	if bin == "" {
		if bin, err = BinDir(); err != nil {
			return nil, err
		}
	}
	s := &Server{bin: bin, user: cmp.Or(o.Superuser, superuser), password: rand.Text(), settings: o.Settings, account: account()}
	if o.Insist {
		s.dir, err = scratch.UseDir(o.Dir, s.account)
	} else {
		s.dir, err = scratch.MakeDir(o.Dir, "bkp-postgresql-", s.account)
	}
	if err != nil {
		return nil, err
	}
	s.socket = len(filepath.Join(s.dir.Path, ".s.PGSQL.65535.lock")) <= maxSocketPath
	if err := s.initdb(ctx); err != nil {
		return nil, errors.Join(err, s.dir.Remove())
	}
	for range ports {
		if s.port, err = scratch.FreePort(ctx); err != nil {
			break
		}
		if err = s.run(ctx); err == nil {
			return s, nil
		}
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, errors.Join(err, s.dir.Remove())
}

// account is whom a server runs as: PostgreSQL refuses to run as root.
func account() *scratch.Account { return scratch.RunsAs("postgres", "nobody") }

// Reachable reports whether a server could have its files in dir, whose parents
// must exist.
func Reachable(dir string) bool { return account().Reachable(dir) }

func (s *Server) initdb(ctx context.Context) error {
	pwfile := filepath.Join(s.dir.Path, "password")
	if err := os.WriteFile(pwfile, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(pwfile) }()
	if err := s.account.Own(pwfile); err != nil {
		return err
	}
	// The C locale is on every machine, and sorts alike on all of them.
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"),
		"--pgdata", s.data(), "--username", s.user, "--pwfile", pwfile,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir.Path, scratch.Environment(), s.account.Attributes(orphaned)
	// The signal that ends it with this process is bound to this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

var errPortTaken = errors.New("the port is taken")

// Halt ends the server; Restart starts it again.
func (s *Server) Halt() { s.end() }

// Restart ends the server, and starts it again on the same port with the same
// data. When it fails, the server is stopped.
func (s *Server) Restart(ctx context.Context) error {
	s.end()
	return s.run(ctx)
}

// run starts the server on its port and waits until it answers.
func (s *Server) run(ctx context.Context) error {
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), s.args()...) //nolint:noctx // Stop ends it, gently
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir.Path, scratch.Environment(), s.account.Attributes(orphaned)
	var err error
	if s.process, err = scratch.Start(cmd, s.logFile()); err != nil {
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
		socket = s.dir.Path
	}
	all := append([]string{
		"listen_addresses=" + scratch.Host, "port=" + strconv.Itoa(s.port), "unix_socket_directories=" + socket,
		"fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB",
		// Memory that sessions share lies in the folder and goes with it: what a
		// server that is killed leaves in /dev/shm stays until the machine restarts.
		"dynamic_shared_memory_type=mmap",
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
		case <-s.process.Done():
			return s.startFailure()
		case <-tick.C:
		}
	}
}

// startFailure returns why the server left before it was ready.
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
		err = s.dir.Remove()
	})
	return err
}

// end asks for a fast shutdown: sessions end, then the server.
func (s *Server) end() { s.process.End(os.Interrupt) }

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
		Scheme: "postgres", User: url.UserPassword(s.user, s.password),
		Host: net.JoinHostPort(scratch.Host, strconv.Itoa(s.port)), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Host is the address that the server listens on.
func (s *Server) Host() string { return scratch.Host }

// Port is the port that the server listens on.
func (s *Server) Port() int { return s.port }

// User is the server's superuser.
func (s *Server) User() string { return s.user }

// Password of User.
func (s *Server) Password() string { return s.password }

// SocketDir is the folder of the unix socket, "" if it has none because the
// folder's name is too long for one.
func (s *Server) SocketDir() string {
	if !s.socket {
		return ""
	}
	return s.dir.Path
}

// Dir is where the server's files lie: the folder given to Start, or one
// below the system's temporary folder, which Stop removes.
func (s *Server) Dir() string { return s.dir.Path }

func (s *Server) data() string {
	if s.cluster != "" {
		return s.cluster
	}
	return filepath.Join(s.dir.Path, "data")
}

func (s *Server) logFile() string { return filepath.Join(s.dir.Path, "server.log") }
