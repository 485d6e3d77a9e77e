package postgresql

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"bkp/internal/jdbc"
	"bkp/internal/secret"
	"bkp/providers"
)

// Config is the block database "postgresql".
type Config struct {
	providers.Placed

	Host       string        `hcl:"host" help:"name or address of the server, or the folder of its unix socket" example:"db.example.com"`
	Port       int           `hcl:"port,optional" help:"port of the server"`
	Database   string        `hcl:"database" help:"name of the database" example:"bitbucket"`
	Username   string        `hcl:"username" help:"role that reads the database; for a restore, the role that creates or fills it" example:"bitbucket"`
	Password   secret.String `hcl:"password,optional" help:"password of the role" unset:"PGPASSWORD, PGPASSFILE, ~/.pgpass or a service file, or none" example:"BITBUCKET_DB_PASSWORD"`
	Jobs       int           `hcl:"jobs,optional" help:"tables dumped or restored at a time" unset:"one a core, at most 4"`
	BinDir     string        `hcl:"bin_dir,optional" help:"folder of pg_dump and pg_restore" unset:"PATH, then where Debian keeps them"`
	LockedDump bool          `hcl:"locked_dump,optional" help:"dump inside the lock, where no snapshot can be exported: the lock window then grows with the database"`
	TLS        TLS           `hcl:"tls,block" help:"how the connection is encrypted"`
}

// TLS says how the connection is encrypted, as libpq does with sslmode,
// sslrootcert, sslcert and sslkey.
type TLS struct {
	Mode     string `hcl:"mode,optional" help:"disable, allow, prefer, require, verify-ca or verify-full"`
	CAFile   string `hcl:"ca_file,optional" help:"PEM file of the authorities that the server's certificate must descend from" unset:"~/.postgresql/root.crt, if it exists"`
	CertFile string `hcl:"cert_file,optional" help:"PEM file of the client's certificate" unset:"~/.postgresql/postgresql.crt, if it exists"`
	KeyFile  string `hcl:"key_file,optional" help:"PEM file of the client's private key" unset:"~/.postgresql/postgresql.key, if it exists"`
}

var tlsModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// Definition describes the strategy.
func Definition() providers.Definition {
	defaults := Config{Port: 5432, TLS: TLS{Mode: "prefer"}}
	return providers.Define(providers.Databases, "postgresql",
		"a PostgreSQL database: a snapshot exported under the lock, dumped from after the unlock", defaults,
		func(cfg Config, env providers.Env) (providers.Strategy, error) { return newStrategy(cfg, env), nil },
		providers.Engines(jdbc.PostgreSQL), providers.Does(providers.Prepare, providers.Finish), providers.Configured(options))
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
		if strings.ContainsRune(a.value, 0) {
			add(a.name, "invalid value", a.name+" holds a NUL character", "remove it")
		}
	}
	if c.Port < 1 || c.Port > 65535 {
		add("port", "invalid port", fmt.Sprintf("%d is no port", c.Port), "give a number from 1 to 65535; PostgreSQL's own is 5432")
	}
	if !slices.Contains(tlsModes, c.TLS.Mode) {
		add("tls.mode", "unknown TLS mode", fmt.Sprintf("%q is not a TLS mode", c.TLS.Mode), "give one of "+strings.Join(tlsModes, ", "))
	}
	if c.Jobs < 0 {
		add("jobs", "invalid number of jobs", fmt.Sprintf("%d jobs cannot dump", c.Jobs), "give 1 or more, or leave it out")
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		add("tls.cert_file", "incomplete client certificate", "only one of cert_file and key_file is set", "set both, or neither")
	}
	if strings.ContainsAny(c.Password.Reveal(), "\n\r\x00") {
		add("password", "invalid password", "it holds the end of a line", "check whether its file has more than one line")
	}
	return out
}

func (c *Config) jobs() int {
	if c.Jobs > 0 {
		return c.Jobs
	}
	return min(4, runtime.NumCPU())
}

// strategy serves one run.
type strategy struct {
	providers.Base

	cfg Config
	env providers.Env
	// clientPlaces are patterns of folders with client tools, besides PATH.
	clientPlaces []string

	// absent are objects that a restore leaves out: extensions that a scratch
	// server does not have.
	absent []adminObject
	// unlike takes note of what a scratch server could not imitate; nil for a
	// restore that is none on trial.
	unlike func(sentence string)

	// mu guards what follows: Release may be called while a verb is still leaving.
	mu    sync.Mutex
	held  *session
	ready *ready
}

func newStrategy(cfg Config, env providers.Env) *strategy {
	return &strategy{cfg: cfg, env: env, clientPlaces: clientPlaces}
}
