package sqlserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"bkp/internal/lab/tds"
)

// Folders of the server's disk, as the server names them.
const (
	BackupFolder = "/var/opt/mssql/backup"
	DataFolder   = "/var/opt/mssql/data"
)

// Numbers of errors.
const (
	errLogin       = 18456
	errNoDatabase  = 4060
	errSyntax      = 102
	errNoObject    = 208
	errDevice      = 3201
	errDenied      = 262
	errNotBackup   = 3241
	errNewer       = 3169
	errExists      = 3159
	errWrongBase   = 3136
	errNoBase      = 3035
	errFileTaken   = 1834
	errCompression = 1844
	errChecksum    = 3189
	errTaken       = 1801
)

// Options are what a server is.
type Options struct {
	// Dir holds its disk.
	Dir string
	// Version and Edition, such as 16.0.4135.4 and Developer Edition (64-bit); Engine is
	// the number of the edition's engine, 4 for Express.
	Version, Edition, Engine string
	// Certificate, if not nil, encrypts connections.
	Certificate *tls.Certificate
	// Account of the server on its disk, 0 for that of this process. Only root can give
	// files to another.
	Account int
}

// Server is one that runs.
type Server struct {
	*tds.Server
	options Options

	mu        sync.Mutex
	databases map[string]*database
	logins    map[string]login
	history   []set
	log       []string
	running   map[int]*request
	pauses    []Pause
	watch     struct {
		words string
		seen  func()
	}
	// lsn numbers changes.
	lsn int64
}

type login struct {
	sid, password string
	denied        []string
}

// Start starts a server with the login sa; the caller closes it.
func Start(o Options) (*Server, error) {
	for _, d := range []*struct {
		value *string
		or    string
	}{
		{&o.Version, "16.0.4135.4"}, {&o.Edition, "Developer Edition (64-bit)"}, {&o.Engine, "3"},
	} {
		if *d.value == "" {
			*d.value = d.or
		}
	}
	s := &Server{options: o, databases: map[string]*database{}, logins: map[string]login{}, running: map[int]*request{}}
	s.logins["sa"] = login{sid: "sid of sa", password: "Secret1!"}
	for _, dir := range []string{BackupFolder, DataFolder} {
		if err := s.MakeFolder(dir); err != nil {
			return nil, err
		}
	}
	var err error
	s.Server, err = tds.Start(s, o.Certificate)
	return s, err
}

// MakeFolder makes one on the server's disk, of its account.
func (s *Server) MakeFolder(path string) error {
	if err := os.MkdirAll(s.Disk(path), 0o755); err != nil || s.options.Account == 0 {
		return err
	}
	return os.Chown(s.Disk(path), s.options.Account, s.options.Account)
}

// Disk is where this machine sees a file of the server's.
func (s *Server) Disk(path string) string {
	return filepath.Join(s.options.Dir, filepath.FromSlash(path))
}

// Password is that of sa.
func (s *Server) Password() string { return s.logins["sa"].password }

// URL is how the sandbox reaches a database.
func (s *Server) URL(name string) string {
	return fmt.Sprintf("sqlserver://sa:%s@127.0.0.1:%d/%s", url.PathEscape(s.Password()), s.Port(), name)
}

// CreateLogin makes a login, which must not have the rights that are denied: BACKUP DATABASE, CREATE
// ANY DATABASE.
func (s *Server) CreateLogin(name, password string, denied ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins[name] = login{sid: fmt.Sprintf("sid of %s of %s", name, s.options.Dir), password: password, denied: denied}
}

// CreateDatabase makes an empty database, as Bitbucket wants it.
func (s *Server) CreateDatabase(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.databases[name] = &database{
		Name: name, Collation: "SQL_Latin1_General_CP1_CS_AS", Recovery: "FULL", Snapshots: true, state: online, id: s.next(),
		Tables: map[string]map[int64]row{}, Users: map[string]string{},
		Files: []file{{name, DataFolder + "/" + name + ".mdf", "D"}, {name + "_log", DataFolder + "/" + name + "_log.ldf", "L"}},
	}
}

// AddUser makes a user of a database for a login.
func (s *Server) AddUser(databaseName, loginName string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.databases[databaseName].Users[loginName] = s.logins[loginName].sid
}

// Change changes a database's properties.
func (s *Server) Change(name string, change func(p *Properties)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.databases[name]
	p := Properties{Collation: d.Collation, Recovery: d.Recovery, Snapshots: d.Snapshots, Encrypted: d.Encrypted, ReadOnly: d.ReadOnly}
	change(&p)
	if p.IsRestoring {
		d.state = restoring
	}
	d.Collation, d.Recovery, d.Snapshots, d.Encrypted, d.ReadOnly = p.Collation, p.Recovery, p.Snapshots, p.Encrypted, p.ReadOnly
}

// Properties are what a test may change of a database.
type Properties struct {
	Collation, Recovery            string
	Snapshots, Encrypted, ReadOnly bool
	// IsRestoring takes it out of use, as a restore that is not at its end.
	IsRestoring bool
}

// Write adds a row to a table, which it makes.
func (s *Server) Write(name, table string, values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.databases[name].insert(table, values, s.next())
}

// Rewrite changes the first row of a table.
func (s *Server) Rewrite(name, table string, values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.databases[name].Tables[table][1] = row{Values: values, LSN: s.next()}
}

// State describes a database, nil if it is not there.
func (s *Server) State(name string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.databases[name]
	if d == nil {
		return nil
	}
	out := map[string]string{
		"state": d.state, "collation": d.Collation, "recovery": d.Recovery, "snapshots": fmt.Sprint(d.Snapshots),
		"users": strings.Join(slices.Sorted(maps.Keys(d.Users)), " "),
	}
	for table, rows := range d.Tables {
		for id, r := range rows {
			out[fmt.Sprint(table, " ", id)] = strings.Join(r.Values, "|")
		}
	}
	return out
}

// Databases are the names of all.
func (s *Server) Databases() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.databases))
}

// Drop removes a database, if it is there.
func (s *Server) Drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(name)
}

// Log has every batch that came, and the logins.
func (s *Server) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *Server) next() int64 {
	s.lsn++
	return s.lsn
}

// Login implements tds.Handler.
func (s *Server) Login(l tds.Login) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.logins[l.User]; !ok || known.password != l.Password {
		return &tds.Error{Number: errLogin, Message: "Login failed for user '" + l.User + "'."}
	}
	if l.Database != "" && l.Database != "master" && s.databases[l.Database] == nil {
		return &tds.Error{Number: errNoDatabase, Message: "Cannot open database \"" + l.Database + "\" requested by the login. The login failed."}
	}
	return nil
}

// Batch implements tds.Handler.
func (s *Server) Batch(ctx context.Context, l tds.Login, sql string, say func(string)) (tds.Reply, error) {
	s.mu.Lock()
	s.log = append(s.log, sql)
	watch := s.watch
	s.mu.Unlock()
	if watch.seen != nil && strings.Contains(sql, watch.words) {
		watch.seen()
	}
	b := batch{server: s, ctx: ctx, login: l, sql: strings.TrimSpace(sql), say: say}
	for _, known := range statements() {
		if strings.Contains(b.sql, known.words) {
			return known.do(b)
		}
	}
	return tds.Reply{}, &tds.Error{Number: errSyntax, Message: "The stand-in does not know: " + sql}
}
