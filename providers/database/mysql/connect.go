package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"bkp/internal/problem"
	"bkp/internal/secret"
)

const (
	connectTimeout = 10 * time.Second
	// answerTimeout is how long the server may take for any of our statements:
	// the slowest adds up the sizes of a database's tables.
	answerTimeout = 5 * time.Minute
)

// Summaries of problems with the connection.
const (
	unreachable   = "database server not reachable"
	refused       = "database server refuses the account"
	wrongPassword = "database password refused"
	noDatabase    = "database does not exist"
	noTLS         = "no secure connection to the database server"
	notReady      = "database server does not accept connections now"
)

// Error numbers of the server.
const (
	errDatabaseDenied  = 1044
	errAccessDenied    = 1045
	errUnknownDatabase = 1049
	errTooMany         = 1040
	errTooManyUser     = 1203
	errShutdown        = 1053
	errHostBlocked     = 1129
	errHostDenied      = 1130
	errDenied          = 1227
	errInsecure        = 3159
	errTableChanged    = 1412
	errDeadlock        = 1213 // of one who only reads: with a change of a table's definition
	errUnknownTable    = 1146
)

// session is one connection to the server.
type session struct {
	db   *sql.DB
	conn *sql.Conn
}

func (s *session) close() {
	_ = s.conn.Close()
	_ = s.db.Close()
}

// dial opens a connection to a database, "" for none.
func (s *strategy) dial(ctx context.Context, database string) (*session, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(s.cfg.Host, strconv.Itoa(s.cfg.Port))
	if s.cfg.Socket != "" {
		cfg.Net, cfg.Addr = "unix", s.cfg.Socket
	}
	cfg.User, cfg.Passwd, cfg.DBName = s.cfg.Username, s.cfg.Password.Reveal(), database
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = connectTimeout, answerTimeout, answerTimeout
	cfg.InterpolateParams, cfg.Logger = true, &mysql.NopLogger{}
	if err := cfg.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	var err error
	if cfg.TLS, err = s.tls(); err != nil {
		return nil, err
	}
	cfg.AllowFallbackToPlaintext = s.cfg.TLS.Mode == tlsPrefer
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &session{db, conn}, nil
}

// tlsError reports what is wrong with the certificates.
type tlsError struct{ error }

func (s *strategy) tls() (*tls.Config, error) {
	if s.cfg.Socket != "" || s.cfg.TLS.Mode == tlsDisable {
		return nil, nil
	}
	c := &tls.Config{ServerName: s.cfg.Host, MinVersion: tls.VersionTLS12}
	if s.cfg.TLS.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(s.cfg.TLS.CertFile, s.cfg.TLS.KeyFile)
		if err != nil {
			return nil, tlsError{err}
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if s.cfg.TLS.CAFile != "" {
		pem, err := os.ReadFile(s.cfg.TLS.CAFile)
		if err != nil {
			return nil, tlsError{err}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, tlsError{fmt.Errorf("%s holds no certificate", s.cfg.TLS.CAFile)}
		}
	}
	switch s.cfg.TLS.Mode {
	case tlsPrefer, tlsRequire:
		c.InsecureSkipVerify = true // as these modes mean: against listening, not against pretending
	case tlsVerifyCA:
		roots := c.RootCAs
		c.InsecureSkipVerify = true // the name alone is not verified
		c.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, roots) }
	}
	return c, nil
}

// verifyChain verifies that the server's certificate descends from a root.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}

// connect is dial whose error is a problem with a remedy.
func (s *strategy) connect(ctx context.Context, database string) (*session, error) {
	conn, err := s.dial(ctx, database)
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, s.connectProblem(err, database)
}

// where is how the server is named to people.
func (s *strategy) where() string {
	if s.cfg.Socket != "" {
		return s.cfg.Socket
	}
	return net.JoinHostPort(s.cfg.Host, strconv.Itoa(s.cfg.Port))
}

// connectProblem distinguishes the reasons for which a server cannot be used.
func (s *strategy) connectProblem(err error, database string) *problem.Problem {
	detail := func(format string, args ...any) string {
		return fmt.Sprintf(format, args...) + ": " + secret.Redact(reason(err), s.cfg.Password)
	}
	switch number(err) {
	case 0: // not the server's word
	case errAccessDenied:
		return problem.New(wrongPassword, detail("account %q on %s", s.cfg.Username, s.where()), "correct username and password of the database block")
	case errUnknownDatabase:
		return problem.New(noDatabase, detail("%q on %s", database, s.where()), "correct the attribute database of the database block")
	case errTooMany, errTooManyUser, errShutdown:
		return problem.New(notReady, detail("%s", s.where()), "try again, or raise the server's max_connections")
	case errInsecure:
		return problem.New(noTLS, detail("TLS mode %s, %s", s.cfg.TLS.Mode, s.where()), "set mode of the tls block to require or higher")
	default: // errDatabaseDenied, errHostBlocked, errHostDenied and the like
		return problem.New(refused, detail("account %q, database %q, on %s", s.cfg.Username, database, s.where()),
			"correct username, or grant the account the database from this machine")
	}
	if isTLS(err) {
		return problem.New(noTLS, detail("TLS mode %s, %s", s.cfg.TLS.Mode, s.where()),
			"correct mode and ca_file of the tls block; write the host as it is in the server's certificate")
	}
	return problem.New(unreachable, detail("%s", s.where()), "start the server, or correct host and port of the database block")
}

// number of the server's error, 0 if it is not the server's.
func number(err error) uint16 {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		return server.Number
	}
	return 0
}

func reason(err error) string {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		return server.Message
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

func isTLS(err error) bool {
	var own tlsError
	var verification *tls.CertificateVerificationError
	if errors.Is(err, mysql.ErrNoTLS) || errors.As(err, &own) || errors.As(err, &verification) {
		return true
	}
	for _, mark := range []string{"tls: ", "x509: "} {
		if strings.Contains(err.Error(), mark) {
			return true
		}
	}
	return false
}

// quoteName writes an identifier for SQL.
func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
