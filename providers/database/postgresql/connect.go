package postgresql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bkp/internal/problem"
	"bkp/internal/secret"
)

const (
	applicationName = "bkp"
	connectTimeout  = 10 * time.Second
	// closeTimeout is how long taking leave of a server may take.
	closeTimeout = 5 * time.Second
)

// Summaries of problems with the connection.
const (
	unreachable   = "database server not reachable"
	refused       = "database server refuses the role"
	wrongPassword = "database password refused"
	noDatabase    = "database does not exist"
	noTLS         = "no secure connection to the database server"
	notReady      = "database server does not accept connections now"
)

// SQLSTATE codes.
const (
	codeInvalidPassword      = "28P01"
	codeInvalidAuthorization = "28000"
	codeInvalidCatalogName   = "3D000"
	codeInsufficient         = "42501"
	codeCannotConnectNow     = "57P03"
	codeTooManyConnections   = "53300"
	codeWrongObjectType      = "42809"
	codeInvalidParameter     = "22023"
	codeSyntaxError          = "42601"
	codeNotSupported         = "0A000"
)

// driverConfig is how the driver connects to a database. Its password is that of
// the configuration, else what the driver finds in PGPASSWORD, PGPASSFILE,
// ~/.pgpass or a service file.
func (s *strategy) driverConfig(database string) (*pgx.ConnConfig, error) {
	settings := []string{
		"host=" + quoteSetting(s.cfg.Host), "port=" + strconv.Itoa(s.cfg.Port),
		"user=" + quoteSetting(s.cfg.Username), "dbname=" + quoteSetting(database),
		"sslmode=" + s.cfg.TLS.Mode,
	}
	for name, value := range map[string]string{
		"sslrootcert": s.cfg.TLS.CAFile, "sslcert": s.cfg.TLS.CertFile, "sslkey": s.cfg.TLS.KeyFile,
	} {
		if value != "" { // else the driver's own, of PG variables or the home
			settings = append(settings, name+"="+quoteSetting(value))
		}
	}
	cfg, err := pgx.ParseConfig(strings.Join(settings, " "))
	if err != nil {
		return nil, err
	}
	if s.cfg.Password.IsSet() {
		cfg.Password = s.cfg.Password.Reveal()
	}
	return cfg, nil
}

// password is what the driver logs in with; the tools get the same.
func (s *strategy) password() (secret.String, error) {
	cfg, err := s.driverConfig(s.cfg.Database)
	if err != nil {
		return secret.String{}, err
	}
	return secret.New(cfg.Password), nil
}

// dial opens a connection to the database with keep-alives short enough to
// outlive idle timers of firewalls, and to notice a lost server.
func (s *strategy) dial(ctx context.Context, database string) (*pgx.Conn, error) {
	cfg, err := s.driverConfig(database)
	if err != nil {
		return nil, err
	}
	// PG variables of this process may be meant for another server.
	cfg.RuntimeParams = map[string]string{"application_name": applicationName, "client_encoding": "UTF8"}
	cfg.ValidateConnect = nil
	cfg.ConnectTimeout = connectTimeout
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6,
	}}
	cfg.DialFunc = dialer.DialContext
	// Few statements are sent, each once, and proxies dislike prepared ones.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil || conn.PgConn().ParameterStatus("standard_conforming_strings") != "off" {
		return conn, err
	}
	// A role may have it off, and then nothing that is quoted is safe.
	if _, err := conn.Exec(ctx, "SET standard_conforming_strings = on"); err != nil {
		return nil, errors.Join(err, closeConn(ctx, conn))
	}
	return conn, nil
}

// connect is dial whose error is a problem with a remedy.
func (s *strategy) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	conn, err := s.dial(ctx, database)
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, s.connectProblem(err, database)
}

// connectProblem distinguishes the reasons for which a server cannot be used.
func (s *strategy) connectProblem(err error, database string) *problem.Problem {
	where := net.JoinHostPort(s.cfg.Host, strconv.Itoa(s.cfg.Port))
	detail := func(format string, args ...any) string {
		return fmt.Sprintf(format, args...) + ": " + secret.Redact(innermost(err), s.cfg.Password)
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		switch server.Code {
		case codeInvalidPassword:
			return problem.New(wrongPassword, detail("role %q on %s", s.cfg.Username, where), "correct the password of the database block")
		case codeInvalidCatalogName:
			return problem.New(noDatabase, detail("%q on %s", database, where), "correct the attribute database of the database block")
		case codeInvalidAuthorization, codeInsufficient:
			return problem.New(refused, detail("role %q, database %q, TLS mode %s, on %s", s.cfg.Username, database, s.cfg.TLS.Mode, where),
				"correct username or mode of the tls block, or let the server's pg_hba.conf admit the role")
		case codeCannotConnectNow, codeTooManyConnections:
			return problem.New(notReady, detail("%s", where), "try again, or raise the server's max_connections")
		}
		return problem.New(refused, detail("%s", where), unlessProxy(err, "see the server's log"))
	}
	if isTLS(err) {
		return problem.New(noTLS, detail("TLS mode %s, %s", s.cfg.TLS.Mode, where),
			"correct mode and ca_file of the tls block; write the host as it is in the server's certificate")
	}
	return problem.New(unreachable, detail("%s", where), "start the server, or correct host and port of the database block")
}

// unlessProxy is a remedy, unless a proxy such as pgbouncer refused a session for
// what it does not pass on: then nothing else helps.
func unlessProxy(err error, remedy string) string {
	text := strings.ToLower(err.Error())
	if strings.Contains(text, "unsupported startup parameter") || strings.Contains(text, "pgbouncer") {
		return "that is a proxy such as pgbouncer: give host and port of the PostgreSQL server itself in the database block, its own port is usually 5432"
	}
	return remedy
}

// innermost gives the reason without the driver's list of all attempts, which
// repeats it.
func innermost(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Message
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Error()
	}
	_, last, _ := strings.Cut(err.Error(), "`: ")
	if last == "" {
		last = err.Error()
	}
	return strings.Join(strings.Fields(last), " ")
}

// isTLS recognizes what the driver says of TLS, which it does not always say
// by a type. Of a connection string only the certificate files can be wrong.
func isTLS(err error) bool {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		return true
	}
	for _, mark := range []string{"tls error", "tls: ", "x509: ", "refused TLS"} {
		if strings.Contains(err.Error(), mark) {
			return true
		}
	}
	return false
}

// quoteSetting writes a value for a connection string.
func quoteSetting(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// closeConn takes leave of the server, even when the run was cancelled.
func closeConn(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return conn.Close(ctx)
}
