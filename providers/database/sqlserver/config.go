package sqlserver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"bkp/internal/jdbc"
	"bkp/internal/secret"
	"bkp/providers"
)

// Ways to back up.
const (
	differential = "differential"
	copyOnly     = "copy_only"
)

// Modes of TLS: every SQL Server can encrypt, so none is optional.
const (
	tlsDisable    = "disable"
	tlsRequire    = "require"
	tlsVerifyCA   = "verify-ca"
	tlsVerifyFull = "verify-full"
)

var tlsModes = []string{tlsDisable, tlsRequire, tlsVerifyCA, tlsVerifyFull}

// Config is the block database "sqlserver".
type Config struct {
	providers.Placed

	Host        string        `hcl:"host,optional" help:"name or address of the server" unset:"that of jdbc.url in the home's bitbucket.properties, or in JDBC_URL" example:"db.example.com"`
	Port        int           `hcl:"port,optional" help:"port of the server, or of its named instance" unset:"that of jdbc.url, or 1433" example:"1433"`
	Database    string        `hcl:"database,optional" help:"name of the database" unset:"that of jdbc.url" example:"bitbucket"`
	Username    string        `hcl:"username,optional" help:"login of SQL Server that may back up the database; for a restore, one that may create databases" unset:"jdbc.user, with jdbc.password" example:"bkp"`
	Password    secret.String `hcl:"password,optional" help:"password of the login" unset:"that of jdbc.password, if username is not set either" example:"BITBUCKET_DB_PASSWORD"`
	ServerPath  string        `hcl:"server_path" help:"folder into which the server writes its backups, as the server names it" example:"/var/opt/mssql/backup"`
	Path        string        `hcl:"path,optional" help:"the same folder as this machine sees it: a share, or where the server itself has it" unset:"server_path" example:"/mnt/sql-backup"`
	Method      string        `hcl:"method,optional" help:"differential makes a full backup live and a differential one inside the lock; copy_only makes all of it inside the lock, and leaves the server's own chain of backups alone"`
	Compression bool          `hcl:"compression,optional" help:"let the server compress its backups, if its edition can"`
	Verify      bool          `hcl:"verify,optional" help:"let the server read its backups again after the unlock, which takes about as long as writing them"`
	Restore     Restore       `hcl:"restore,block" help:"the database that a restore makes"`
	TLS         TLS           `hcl:"tls,block" help:"how the connection is encrypted"`
}

// Restore says where the files of a restored database lie.
type Restore struct {
	DataFolder string `hcl:"data_folder,optional" help:"folder of the server for files of data" unset:"the server's default"`
	LogFolder  string `hcl:"log_folder,optional" help:"folder of the server for the log" unset:"the server's default"`
}

// TLS says how the connection is encrypted.
type TLS struct {
	Mode   string `hcl:"mode,optional" help:"disable, require, verify-ca or verify-full"`
	CAFile string `hcl:"ca_file,optional" help:"PEM file of the authorities that the server's certificate must descend from" unset:"the system's authorities"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	defaults := Config{Method: differential, Compression: true, TLS: TLS{Mode: tlsRequire}}
	return providers.Define(providers.Databases, "sqlserver",
		"a database of Microsoft SQL Server, experimental: a full backup live, a differential one under the lock", defaults,
		func(cfg Config, env providers.Env) (providers.Strategy, error) { return newStrategy(cfg, env), nil },
		providers.Engines(jdbc.SQLServer), providers.Does(providers.Prepare, providers.Finish), providers.Configured(options))
}

// options of a definition: a copy-only backup is not prepared.
func options(cfg Config) []providers.Option {
	if cfg.Method == copyOnly {
		return []providers.Option{providers.Does(providers.Finish)}
	}
	return nil
}

var _ providers.ConfigValidator = (*Config)(nil)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	if c.ServerPath == "" {
		add("server_path", "value missing", "server_path is empty", "give a value")
	}
	if c.Path != "" && !filepath.IsAbs(c.Path) {
		add("path", "path is not absolute", fmt.Sprintf("%q depends on where bkp is run", c.Path), "begin it at the root of the file system")
	}
	if c.Path == "" && !filepath.IsAbs(c.ServerPath) {
		add("path", "folder of backups is not on this machine", fmt.Sprintf("%q is a path of another system", c.ServerPath), "mount the folder on this machine, and set path to where it is")
	}
	if c.Port < 0 || c.Port > 65535 {
		add("port", "invalid port", fmt.Sprintf("%d is no port", c.Port), "give a number from 1 to 65535; SQL Server's own is 1433")
	}
	if !slices.Contains([]string{differential, copyOnly}, c.Method) {
		add("method", "unknown way to back up", fmt.Sprintf("%q is not known", c.Method), "write differential or copy_only")
	}
	if !slices.Contains(tlsModes, c.TLS.Mode) {
		add("tls.mode", "unknown TLS mode", fmt.Sprintf("%q is not a TLS mode", c.TLS.Mode), "give one of "+strings.Join(tlsModes, ", "))
	}
	if c.Username == "" && c.Password.Reveal() != "" {
		add("password", "password without a login", "username is not set", "set both, or neither")
	}
	return out
}

// strategy serves one run.
type strategy struct {
	providers.Base

	cfg  Config
	env  providers.Env
	pace pace

	// mu guards what follows: Close may be called while a verb is still leaving.
	mu   sync.Mutex
	held *opened
	// base is the full backup of Prepare, "" before, and of the backup that it is a part of.
	base string
	of   providers.BackupID
}

func newStrategy(cfg Config, env providers.Env) *strategy {
	return &strategy{cfg: cfg, env: env, pace: usual()}
}

// Restorer implements providers.Strategy. target is a database of the same server.
func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	if target == "" {
		return &restorer{strategy: s}, nil
	}
	other := newStrategy(s.cfg, s.env)
	other.cfg.Database, other.pace = target, s.pace
	return &restorer{strategy: other}, nil
}

// folder is that of backups, as this machine sees it.
func (c Config) folder() string {
	if c.Path != "" {
		return c.Path
	}
	return c.ServerPath
}

// atServer is the server's path of a file in the folder of backups.
func (c Config) atServer(name string) string { return joined(c.ServerPath, name) }

// joined is a path of the server, which may be a Windows.
func joined(folder, name string) string {
	slash := "/"
	if strings.Contains(folder, `\`) {
		slash = `\`
	}
	return strings.TrimRight(folder, slash) + slash + name
}

// Parts of a backup, as its tree has them.
const (
	fullPart = "full.bak"
	diffPart = "differential.bak"
)

// prefix begins the names of all that this component keeps in the folder, which others may
// use as well: another component, or one of another state folder.
func (s *strategy) prefix() string {
	const enough = 4
	sum := sha256.Sum256([]byte(s.env.WorkDir))
	return "bkp-" + hex.EncodeToString(sum[:enough]) + "-"
}

// written is the name of a part while the server writes it.
func (s *strategy) written(b providers.BackupID, part string) string {
	return s.prefix() + string(b) + "." + part
}

// tree is where the parts lie when they are complete.
func (s *strategy) tree(b providers.BackupID) string {
	return filepath.Join(s.cfg.folder(), s.prefix()+string(b))
}
