package mysql

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"bkp/internal/jdbc"
	"bkp/internal/secret"
	"bkp/providers"
)

// Config is the block database "mysql".
type Config struct {
	providers.Placed

	Host       string        `hcl:"host,optional" help:"name or address of the server; always reached over TCP, even if it is localhost" example:"db.example.com"`
	Port       int           `hcl:"port,optional" help:"port of the server"`
	Socket     string        `hcl:"socket,optional" help:"path of the server's unix socket, instead of host and port" unset:"TCP"`
	Database   string        `hcl:"database" help:"name of the database" example:"bitbucket"`
	Username   string        `hcl:"username" help:"account that reads the database; for a restore, the account that creates or fills it" example:"bitbucket"`
	Password   secret.String `hcl:"password,optional" help:"password of the account" unset:"none" example:"BITBUCKET_DB_PASSWORD"`
	BinDir     string        `hcl:"bin_dir,optional" help:"folder of the client programs: mysqldump and mysql, or mariadb-dump and mariadb" unset:"PATH"`
	LockedDump bool          `hcl:"locked_dump,optional" help:"dump inside the lock, where no snapshot can be taken: the lock window then grows with the database"`
	TLS        TLS           `hcl:"tls,block" help:"how the connection is encrypted"`
}

// TLS says how the connection is encrypted.
type TLS struct {
	Mode     string `hcl:"mode,optional" help:"disable, prefer, require, verify-ca or verify-full; MariaDB's tools verify the name for verify-ca too"`
	CAFile   string `hcl:"ca_file,optional" help:"PEM file of the authorities that the server's certificate must descend from" unset:"the system's authorities"`
	CertFile string `hcl:"cert_file,optional" help:"PEM file of the client's certificate" unset:"none"`
	KeyFile  string `hcl:"key_file,optional" help:"PEM file of the client's private key" unset:"none"`
}

// The values of mode, which are those of database "postgresql".
const (
	tlsDisable    = "disable"
	tlsPrefer     = "prefer"
	tlsRequire    = "require"
	tlsVerifyCA   = "verify-ca"
	tlsVerifyFull = "verify-full"
)

var tlsModes = []string{tlsDisable, tlsPrefer, tlsRequire, tlsVerifyCA, tlsVerifyFull}

// Definition describes the strategy.
func Definition() providers.Definition {
	defaults := Config{Host: "localhost", Port: 3306, TLS: TLS{Mode: tlsPrefer}}
	return providers.Define(providers.Databases, "mysql",
		"a MySQL or MariaDB database: a dump whose snapshot is taken under the lock, written after the unlock", defaults,
		func(cfg Config, env providers.Env) (providers.Strategy, error) { return newStrategy(cfg, env), nil },
		providers.Engines(jdbc.MySQL, jdbc.MariaDB), providers.Does(providers.Prepare, providers.Finish), providers.Configured(options))
}

// options of a definition: a dump that is written inside the lock has no snapshot,
// and needs the lock.
func options(cfg Config) []providers.Option {
	if cfg.LockedDump {
		return nil
	}
	return []providers.Option{providers.Live()}
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	for _, a := range []struct{ name, value string }{
		{"host", c.Host}, {"database", c.Database}, {"username", c.Username},
	} {
		if a.value == "" {
			add(a.name, "value missing", a.name+" is empty", "give a value")
		}
		if strings.ContainsAny(a.value, "\x00\n\r") {
			add(a.name, "invalid value", a.name+" holds the end of a line or a NUL character", "remove it")
		}
	}
	if c.Port < 1 || c.Port > 65535 {
		add("port", "invalid port", fmt.Sprintf("%d is no port", c.Port), "give a number from 1 to 65535; MySQL's own is 3306")
	}
	if !slices.Contains(tlsModes, c.TLS.Mode) {
		add("tls.mode", "unknown TLS mode", fmt.Sprintf("%q is not a TLS mode", c.TLS.Mode), "give one of "+strings.Join(tlsModes, ", "))
	}
	if c.Socket != "" && c.TLS.Mode != tlsPrefer && c.TLS.Mode != tlsDisable {
		add("tls.mode", "encryption on a unix socket", "a unix socket never leaves the machine, and is not encrypted", "leave out mode or socket")
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		add("tls.cert_file", "incomplete client certificate", "only one of cert_file and key_file is set", "set both, or neither")
	}
	if strings.ContainsAny(c.Password.Reveal(), "\n\r\x00") {
		add("password", "invalid password", "it holds the end of a line", "check whether its file has more than one line")
	}
	return out
}

// strategy serves one run.
type strategy struct {
	providers.Base

	cfg Config
	env providers.Env
	// scratch is set for a drill's server, which nobody uses and nobody sets up.
	scratch bool

	// mu guards what follows: Release may be called while a verb is still
	// leaving.
	mu       sync.Mutex
	prepared *prepared
	running  *dump
	// packet is what the server takes, in bytes, as Check saw it; 0 before.
	packet       int64
	warnedOfRows bool
}

func newStrategy(cfg Config, env providers.Env) *strategy {
	return &strategy{cfg: cfg, env: env}
}

// Restorer implements providers.Strategy. target is a database of the same server.
func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	if target == "" {
		return restorer{strategy: s}, nil
	}
	cfg := s.cfg
	cfg.Database = target
	return restorer{strategy: newStrategy(cfg, s.env)}, nil
}

// restorer restores a dump into the database of its configuration.
type restorer struct {
	providers.BaseRestorer
	*strategy
}

func (s *strategy) tree(b providers.BackupID) string {
	return filepath.Join(s.env.WorkDir, string(b))
}
func (s *strategy) partial(b providers.BackupID) string    { return s.tree(b) + ".partial" }
func (s *strategy) optionFile(b providers.BackupID) string { return s.tree(b) + ".cnf" }
