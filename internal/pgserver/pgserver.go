package pgserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"

	"bkp/internal/scratch"
)

const (
	// superuser is the default of Options.Superuser.
	superuser = "bkp"
	// orphaned is what a server is sent whose parent died: it ends its sessions'
	// processes, and gives back the memory that they share.
	orphaned = syscall.SIGQUIT
)

// Server is a running scratch server. The caller of Run or Adopt MUST call Stop.
type Server struct {
	*scratch.Server
	bin      string
	user     string
	password string
	settings []string
	// cluster is the folder of the data.
	cluster string
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
	dir, err := scratch.MakeDir(o.Dir, "bkp-postgresql-", o.Insist, account())
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, user: cmp.Or(o.Superuser, superuser), password: rand.Text(), settings: o.Settings}
	s.Server = scratch.NewServer(s.program(), dir, account())
	s.cluster = s.File("data")
	return s.begin(ctx, s.initdb)
}

// begin prepares the server, starts it, and stops it when that fails.
func (s *Server) begin(ctx context.Context, prepare ...func(context.Context) error) (*Server, error) {
	for _, step := range append(prepare, s.Begin) {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	return s, nil
}

func (s *Server) program() scratch.Program {
	return scratch.Program{
		Name: "postgres", Argv: s.argv, Ready: s.ready, PortTaken: "could not bind",
		// A fast shutdown: sessions end, then the server.
		Quit: os.Interrupt, Orphaned: orphaned,
	}
}

func (s *Server) ready(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// account is whom a server runs as: PostgreSQL refuses to run as root.
func account() *scratch.Account { return scratch.RunsAs("postgres", "nobody") }

// Reachable reports whether a server could have its files in dir, whose parents
// must exist.
func Reachable(dir string) bool { return account().Reachable(dir) }

func (s *Server) initdb(ctx context.Context) error {
	pwfile, err := s.Write("password", s.password+"\n")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(pwfile) }()
	// The C locale is on every machine, and sorts alike on all of them.
	out, err := s.Tool(ctx, "", filepath.Join(s.bin, "initdb"),
		"--pgdata", s.cluster, "--username", s.user, "--pwfile", pwfile,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (s *Server) argv(port int) []string {
	return append([]string{filepath.Join(s.bin, "postgres")}, s.args(port)...)
}

func (s *Server) args(port int) []string {
	all := append([]string{
		"listen_addresses=" + scratch.Host, "port=" + strconv.Itoa(port), "unix_socket_directories=" + s.SocketDir(),
		"fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB",
		// Memory that sessions share lies in the folder and goes with it: what a
		// server that is killed leaves in /dev/shm stays until the machine restarts.
		"dynamic_shared_memory_type=mmap",
	}, s.settings...)
	args := []string{"-D", s.cluster}
	for _, setting := range all {
		args = append(args, "-c", setting)
	}
	return args
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
		Scheme: "postgres", User: url.UserPassword(s.user, s.password),
		Host: net.JoinHostPort(scratch.Host, strconv.Itoa(s.Port())), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// User is the server's superuser.
func (s *Server) User() string { return s.user }

// Password of User.
func (s *Server) Password() string { return s.password }

// SocketDir is the folder of the unix socket, "" if it has none because the
// folder's name is too long for one.
func (s *Server) SocketDir() string {
	if len(s.File(".s.PGSQL.65535.lock")) > scratch.MaxSocketPath {
		return ""
	}
	return s.Dir()
}
