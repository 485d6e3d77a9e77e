package mysqlserver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"bkp/internal/scratch"
)

const (
	// superuser is the default of Options.Superuser.
	superuser = "bkp"
	// orphaned is what a server is sent whose parent died. It is one process and
	// keeps nothing; while it starts, it heeds nothing gentler.
	orphaned = syscall.SIGKILL

	// pollEvery is how often a starting server is asked whether it is ready.
	pollEvery = 20 * time.Millisecond
	// ports is how many free ports are tried: another process may take one
	// between its choice and the server's start.
	ports = 5
	// maxSocketPath is the longest path of a unix socket on every system.
	maxSocketPath = 103
)

// ErrNotInstalled is returned when no MariaDB server is installed.
var ErrNotInstalled = errors.New("no MariaDB server is installed: neither mariadbd nor mariadb-install-db on PATH or in /usr/sbin")

// Server is a running scratch server.
type Server struct {
	dir      scratch.Dir
	account  *scratch.Account
	user     string
	binary   string
	port     int
	password string
	settings []string

	process *scratch.Process
	stop    sync.Once
}

// Options of a server.
type Options struct {
	// Dir is created if it does not exist, and must hold no data yet.
	Dir string
	// Insist fails where the server cannot have its files in Dir; otherwise
	// they then lie elsewhere (see Server.Dir).
	Insist bool
	// Superuser is the account that may do everything, from every host; "" is "bkp".
	// It is letters, digits and _ alone.
	Superuser string
	// Settings are further options of the server, as in
	// "--max-allowed-packet=1M".
	Settings []string
}

// Start is Run in a folder with settings.
func Start(ctx context.Context, dir string, settings ...string) (*Server, error) {
	return Run(ctx, Options{Dir: dir, Settings: settings})
}

// Installed returns nil if a server can be started.
func Installed() error {
	_, errServer := find("mariadbd")
	_, errInstaller := find("mariadb-install-db")
	return errors.Join(errServer, errInstaller)
}

// account is whom a server runs as: it refuses to run as root.
func account() *scratch.Account { return scratch.RunsAs("mysql", "nobody") }

// Reachable reports whether a server could have its files in dir, whose parents
// must exist.
func Reachable(dir string) bool { return account().Reachable(dir) }

// Run makes a new data folder, and returns once the server answers.
//
// The caller MUST call Stop. Where the system can, the server also ends when
// this process dies. The error wraps ErrNotInstalled when there is no server
// to start.
func Run(ctx context.Context, o Options) (*Server, error) {
	binary, errServer := find("mariadbd")
	installer, errInstaller := find("mariadb-install-db")
	if err := errors.Join(errServer, errInstaller); err != nil {
		return nil, err
	}
	s := &Server{binary: binary, user: cmp.Or(o.Superuser, superuser), password: rand.Text(), settings: o.Settings, account: account()}
	var err error
	if o.Insist {
		s.dir, err = scratch.UseDir(o.Dir, s.account)
	} else {
		s.dir, err = scratch.MakeDir(o.Dir, "bkp-mysql-", s.account)
	}
	if err != nil {
		return nil, err
	}
	if err := s.install(ctx, installer); err != nil {
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

// find looks on PATH and where Debian keeps servers, off the PATH of ordinary
// users.
func find(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", ErrNotInstalled
}

// install makes the data folder, and the statements that the server runs when
// it starts.
func (s *Server) install(ctx context.Context, installer string) error {
	statements := "CREATE USER IF NOT EXISTS '" + s.user + "'@'%' IDENTIFIED BY '" + s.password + "';\n" +
		"GRANT ALL ON *.* TO '" + s.user + "'@'%' WITH GRANT OPTION;\n"
	if err := os.WriteFile(s.initFile(), []byte(statements), 0o600); err != nil {
		return err
	}
	if err := s.account.Own(s.initFile()); err != nil {
		return err
	}
	if err := os.MkdirAll(s.temporary(), 0o700); err != nil {
		return err
	}
	if err := s.account.Own(s.temporary()); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, installer, "--no-defaults", "--datadir="+s.data(), "--tmpdir="+s.temporary(),
		"--auth-root-authentication-method=socket", "--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=8M")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir.Path, scratch.Environment(), s.account.Attributes(orphaned)
	// The signal that ends it with this process is bound to this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w: %s", err, bytes.TrimSpace(out))
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

// Kill ends the server as a crash would.
func (s *Server) Kill() { s.process.Kill() }

// run starts the server on its port and waits until it answers.
func (s *Server) run(ctx context.Context) error {
	cmd := exec.Command(s.binary, s.args()...) //nolint:noctx // Stop ends it, gently
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
	return append([]string{
		"--no-defaults", "--datadir=" + s.data(), "--tmpdir=" + s.temporary(), "--init-file=" + s.initFile(), "--pid-file=" + filepath.Join(s.dir.Path, "pid"),
		"--bind-address=" + scratch.Host, "--port=" + strconv.Itoa(s.port), "--socket=" + s.socketArg(),
		"--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
		"--innodb-log-file-size=8M", "--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin",
	}, s.settings...)
}

func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := s.Exec(ctx, "", "DO 1")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("mariadbd is not ready: %w", errors.Join(context.Cause(ctx), err))
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
	if strings.Contains(text, "Can't start server: Bind on") {
		return fmt.Errorf("mariadbd: %w: %s", errPortTaken, text)
	}
	return fmt.Errorf("mariadbd ended at once: %s", text)
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

func (s *Server) end() { s.process.End(syscall.SIGTERM) }

// Exec runs SQL statements in a database, "" for none, as the server's
// superuser.
func (s *Server) Exec(ctx context.Context, database, statements string) error {
	db, err := s.Open(database)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statements)
	return errors.Join(err, db.Close())
}

// CreateDatabase creates a database.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	return s.Exec(ctx, "", "CREATE DATABASE `"+strings.ReplaceAll(name, "`", "``")+"`")
}

// Open gives a pool of connections to a database as the server's superuser;
// several statements may stand in one text.
func (s *Server) Open(database string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(scratch.Host, strconv.Itoa(s.port))
	cfg.User, cfg.Passwd, cfg.DBName = s.user, s.password, database
	cfg.MultiStatements, cfg.ParseTime, cfg.Logger = true, true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// URL is how the sandbox reaches a database of the server; it holds the
// password.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("mysql://%s:%s@%s:%d/%s", s.user, s.password, scratch.Host, s.port, database)
}

// Host is the address that the server listens on.
func (s *Server) Host() string { return scratch.Host }

// Port is the port that the server listens on.
func (s *Server) Port() int { return s.port }

// User is the server's superuser.
func (s *Server) User() string { return s.user }

// Password of User.
func (s *Server) Password() string { return s.password }

// Socket is the path of the unix socket, "" if it has none because the
// folder's name is too long for one.
func (s *Server) Socket() string {
	path := filepath.Join(s.dir.Path, "mysql.sock")
	if len(path) > maxSocketPath {
		return ""
	}
	return path
}

func (s *Server) socketArg() string {
	if path := s.Socket(); path != "" {
		return path
	}
	return fmt.Sprintf("%s/bkp-mysql-%d.sock", os.TempDir(), s.port)
}

// Dir is where the server's files lie: the folder given to Start, or one
// below the system's temporary folder, which Stop removes.
func (s *Server) Dir() string { return s.dir.Path }

func (s *Server) data() string { return filepath.Join(s.dir.Path, "data") }

// temporary is a folder of the server's own: as it starts, a server removes
// all temporary tables that it finds, other servers' as well.
func (s *Server) temporary() string { return filepath.Join(s.dir.Path, "tmp") }
func (s *Server) logFile() string   { return filepath.Join(s.dir.Path, "server.log") }
func (s *Server) initFile() string  { return filepath.Join(s.dir.Path, "init.sql") }
