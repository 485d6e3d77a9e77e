package sqlserver

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"bkp/internal/jdbc"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers/internal/settings"
)

const (
	connectTimeout = 10 * time.Second
	defaultPort    = 1433
	// master is the database that every server has.
	master = "master"
)

// Summaries of problems with the connection.
const (
	unknownAddress = "address of the database server is unknown"
	otherDatabase  = "Bitbucket uses another kind of database"
	sealedPassword = "password of the database is encrypted"
	unreachable    = "database server not reachable"
	wrongPassword  = "database password refused"
	noDatabase     = "database does not exist"
	noTLS          = "no secure connection to the database server"
	refused        = "database server refuses the login"
)

// Numbers of the server's errors.
const (
	errLogin    = 18456
	errOpen     = 4060
	errDevice   = 3201
	errPending  = 3013 // "is terminating abnormally", which follows the reason
	errNoRight  = 262
	errNoRights = 15247
	errTaken    = 1801 // a database of this name is there
	errUsed     = 5030 // the database cannot be locked for oneself
)

// account is how the server is reached.
type account struct {
	host, database, username string
	port                     int
	password                 secret.String
}

func (a account) where() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

// account is what the block says, and what it leaves out as Bitbucket has it.
func (s *strategy) account() (account, error) {
	c := s.cfg
	a := account{host: c.Host, port: c.Port, database: c.Database, username: c.Username, password: c.Password}
	if a.host == "" || a.database == "" || a.username == "" {
		if err := s.complete(&a); err != nil {
			return a, err
		}
	}
	a.port = cmp.Or(a.port, defaultPort)
	return a, nil
}

func (s *strategy) complete(a *account) error {
	setting, err := settings.Read(s.env.Instance.Home)
	if err != nil {
		return problem.Wrap(err, unknownAddress, "let this user read bitbucket.properties, or set host, database, username and password in the database block")
	}
	u := jdbc.Parse(setting.Get("jdbc.url"))
	if u.Scheme != "" && u.Scheme != "sqlserver" {
		return problem.New(otherDatabase, "jdbc.url of Bitbucket names a database of "+u.Scheme, "declare that database, or set host, database, username and password in the database block")
	}
	if a.host == "" {
		if u.Instance != "" && u.Port == "" && a.port == 0 {
			return problem.New(unknownAddress, "jdbc.url names the instance "+u.Instance+", whose port is not known", "set host and port in the database block")
		}
		a.host = u.Host
		if n, err := strconv.Atoi(u.Port); err == nil && a.port == 0 {
			a.port = n
		}
	}
	a.database = cmp.Or(a.database, u.Database)
	if a.username == "" {
		a.username = cmp.Or(setting.Get("jdbc.user"), u.Params.Get("user"))
		password := setting.Get("jdbc.password")
		if settings.IsSealed(password) || setting.Get("jdbc.password.decrypter.classname") != "" {
			return problem.New(sealedPassword, "bitbucket.properties holds it as Bitbucket's secret store has it", "set username and password in the database block")
		}
		a.password = secret.New(password)
	}
	if a.host == "" || a.database == "" || a.username == "" {
		return problem.New(unknownAddress, "the database block leaves out host, database or username, and jdbc.url of the home's bitbucket.properties, or JDBC_URL, does not have it",
			"set host, database, username and password in the database block")
	}
	return nil
}

// session is one connection to the server.
type session struct {
	db   *sql.DB
	conn *sql.Conn
	// account that is logged in.
	account account
	// id is the number of the session, "" before it was asked for.
	id string
	// alive ends with the connection; lost ends it.
	alive context.Context //nolint:containedctx // the life of the connection
	lost  context.CancelCauseFunc
}

func (c *session) close() {
	c.lost(errClosed)
	_ = c.conn.Close()
	_ = c.db.Close()
}

// connect opens a connection to the database of the configuration, or to another. Its
// error is a problem with a remedy, or the reason for which ctx ended.
func (s *strategy) connect(ctx context.Context, to string) (*session, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	a, err := s.account()
	if err != nil {
		return nil, err
	}
	to = cmp.Or(to, a.database)
	dialed, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := s.dial(dialed, a, to)
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, s.connectProblem(err, a, to)
}

func (s *strategy) dial(ctx context.Context, a account, to string) (*session, error) {
	encrypt := "true"
	if s.cfg.TLS.Mode == tlsDisable {
		encrypt = "disable"
	}
	u := url.URL{Scheme: "sqlserver", User: url.UserPassword(a.username, a.password.Reveal()), Host: a.where(), RawQuery: url.Values{
		"database": {to}, "encrypt": {encrypt}, "app name": {"bkp"}, "protocol": {"tcp"}, "disableretry": {"true"},
		"dial timeout": {strconv.Itoa(int(connectTimeout.Seconds()))},
	}.Encode()}
	cfg, err := msdsn.Parse(u.String())
	if err != nil {
		return nil, fmt.Errorf("address of the database: %s", secret.Redact(err.Error(), a.password))
	}
	if cfg.TLSConfig, err = s.tls(a.host); err != nil {
		return nil, err
	}
	connector := mssql.NewConnectorConfig(cfg)
	alive, lost := context.WithCancelCause(context.Background())
	connector.Dialer = dialer{lost}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		lost(err)
		return nil, errors.Join(err, db.Close())
	}
	return &session{db: db, conn: conn, account: a, alive: alive, lost: lost}, nil
}

// tlsError reports what is wrong with the certificates.
type tlsError struct{ error }

func (s *strategy) tls(host string) (*tls.Config, error) {
	if s.cfg.TLS.Mode == tlsDisable {
		return nil, nil
	}
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
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
	case tlsRequire:
		c.InsecureSkipVerify = true // as this mode means: against listening, not against pretending
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

// connectProblem distinguishes the reasons for which a server cannot be used.
func (s *strategy) connectProblem(err error, a account, to string) *problem.Problem {
	detail := func(format string, args ...any) string {
		return fmt.Sprintf(format, args...) + ": " + secret.Redact(reason(err), a.password)
	}
	switch number(err) {
	case 0: // not the server's word
	case errLogin:
		return problem.New(wrongPassword, detail("login %q on %s", a.username, a.where()), "correct username and password of the database block")
	case errOpen:
		return problem.New(noDatabase, detail("%q on %s", to, a.where()), "correct the attribute database of the database block, or make the login a user of that database")
	default:
		return problem.New(refused, detail("login %q, database %q, on %s", a.username, to, a.where()), "correct username, or let the server take this login")
	}
	if isTLS(err) {
		return problem.New(noTLS, detail("TLS mode %s, %s", s.cfg.TLS.Mode, a.where()),
			"correct mode and ca_file of the tls block; write the host as it is in the server's certificate")
	}
	return problem.New(unreachable, detail("%s", a.where()), "start the server and let it listen on TCP, or correct host and port of the database block")
}

// number of the server's error that is the reason, 0 if it is not the server's.
func number(err error) int32 {
	var server mssql.Error
	if !errors.As(err, &server) {
		return 0
	}
	return first(server).Number
}

// first is the error that explains the others: the last only says that the statement ended.
func first(e mssql.Error) mssql.Error {
	for _, one := range e.All {
		if one.Number != errPending {
			return one
		}
	}
	return e
}

func reason(err error) string {
	var server mssql.Error
	if errors.As(err, &server) {
		return first(server).Message
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

func isTLS(err error) bool {
	var own tlsError
	if errors.As(err, &own) {
		return true
	}
	for _, mark := range []string{"tls: ", "x509: ", "TLS Handshake", "does not support encryption"} {
		if strings.Contains(err.Error(), mark) {
			return true
		}
	}
	return false
}
