package mysqlserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"bkp/internal/scratch"
)

// superuser is the default of Options.Superuser.
const superuser = "bkp"

// ErrNotInstalled is returned when no MariaDB server is installed.
var ErrNotInstalled = errors.New("no MariaDB server is installed: neither mariadbd nor mariadb-install-db on PATH or in /usr/sbin")

// Server is a running scratch server. The caller of Run MUST call Stop.
type Server struct {
	*scratch.Server
	binary   string
	user     string
	password string
	settings []string
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
	dir, err := scratch.MakeDir(o.Dir, "bkp-mysql-", o.Insist, account())
	if err != nil {
		return nil, err
	}
	s := &Server{binary: binary, user: cmp.Or(o.Superuser, superuser), password: rand.Text(), settings: o.Settings}
	s.Server = scratch.NewServer(s.program(), dir, account())
	for _, step := range []func() error{
		func() error { return s.install(ctx, installer) },
		func() error { return s.Begin(ctx) },
	} {
		if err := step(); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	return s, nil
}

func (s *Server) program() scratch.Program {
	return scratch.Program{
		Name: "mariadbd", Argv: s.argv, PortTaken: "Can't start server: Bind on", Quit: syscall.SIGTERM,
		// It is one process and keeps nothing; while it starts, it heeds nothing gentler.
		Orphaned: syscall.SIGKILL,
		Ready:    func(ctx context.Context) error { return s.Exec(ctx, "", "DO 1") },
	}
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

// install makes the data folder, and the file initFile.
func (s *Server) install(ctx context.Context, installer string) error {
	statements := "CREATE USER IF NOT EXISTS '" + s.user + "'@'%' IDENTIFIED BY '" + s.password + "';\n" +
		"GRANT ALL ON *.* TO '" + s.user + "'@'%' WITH GRANT OPTION;\n"
	if _, err := s.Write(initFile, statements); err != nil {
		return err
	}
	if err := os.MkdirAll(s.temporary(), 0o700); err != nil {
		return err
	}
	if err := account().Own(s.temporary()); err != nil {
		return err
	}
	out, err := s.Tool(ctx, "", installer, "--no-defaults", "--datadir="+s.data(), "--tmpdir="+s.temporary(),
		"--auth-root-authentication-method=socket", "--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=8M")
	if err != nil {
		return fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	return nil
}

func (s *Server) argv(port int) []string {
	return append([]string{
		s.binary, "--no-defaults", "--datadir=" + s.data(), "--tmpdir=" + s.temporary(), "--init-file=" + s.File(initFile), "--pid-file=" + s.File("pid"),
		"--bind-address=" + scratch.Host, "--port=" + strconv.Itoa(port), "--socket=" + s.socketArg(),
		"--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
		"--innodb-log-file-size=8M", "--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin",
	}, s.settings...)
}

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
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(scratch.Host, strconv.Itoa(s.Port()))
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
	return fmt.Sprintf("mysql://%s:%s@%s:%d/%s", s.user, s.password, scratch.Host, s.Port(), database)
}

// User is the server's superuser.
func (s *Server) User() string { return s.user }

// Password of User.
func (s *Server) Password() string { return s.password }

// Socket is the path of the unix socket, "" if it has none because the
// folder's name is too long for one.
func (s *Server) Socket() string {
	path := s.File("mysql.sock")
	if len(path) > scratch.MaxSocketPath {
		return ""
	}
	return path
}

func (s *Server) socketArg() string {
	if path := s.Socket(); path != "" {
		return path
	}
	return fmt.Sprintf("%s/bkp-mysql-%d.sock", os.TempDir(), s.Port())
}

func (s *Server) data() string { return s.File("data") }

// temporary is a folder of the server's own: as it starts, a server removes
// all temporary tables that it finds, other servers' as well.
func (s *Server) temporary() string { return s.File("tmp") }

// initFile has the statements that the server runs when it starts.
const initFile = "init.sql"
