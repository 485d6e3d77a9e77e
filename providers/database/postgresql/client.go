package postgresql

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

// Summaries of problems with the client tools.
const (
	toolMissing = "PostgreSQL client not found"
	toolOld     = "PostgreSQL client too old"
	toolBroken  = "PostgreSQL client does not work"
	toolRefused = "PostgreSQL client cannot log in"
	toolNewer   = "PostgreSQL client is newer than the server"
)

// clientPlaces are where distributions keep all versions: Debian, Red Hat, SUSE.
var clientPlaces = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/lib/postgresql*/bin"}

// withTransactionTimeout is the first version whose pg_restore sets
// transaction_timeout, which older servers do not know.
const withTransactionTimeout version = 170000

// tool is a client program and its version.
type tool struct {
	path    string
	version version
}

// need is the least version of a client program, and of what that is the version.
type need struct {
	version version
	of      string
}

// findTool chooses among the programs in bin_dir, or on PATH and where
// distributions keep all versions: that of the version that is needed, else the
// oldest that is newer. The newest would write what older servers do not know.
func (s *strategy) findTool(ctx context.Context, name string, least need) (tool, *problem.Problem) {
	candidates := []string{filepath.Join(s.cfg.BinDir, name)}
	if s.cfg.BinDir == "" {
		for _, place := range s.clientPlaces {
			others, _ := filepath.Glob(filepath.Join(place, name)) // the patterns are valid
			candidates = append(candidates, others...)
		}
	}
	var best, newest tool
	var broken error
	for _, path := range candidates {
		path, err := exec.LookPath(path)
		if err != nil {
			continue
		}
		v, err := s.toolVersion(ctx, path)
		if err != nil {
			broken = err
			continue
		}
		t := tool{path: path, version: v}
		if v > newest.version {
			newest = t
		}
		if v.major() >= least.version.major() && (best.path == "" || v.major() < best.version.major()) {
			best = t
		}
	}
	remedy := fmt.Sprintf("install the PostgreSQL client of version %s or newer, or name its folder in bin_dir", least.version.majorString())
	if least.version == 0 {
		remedy = "install the PostgreSQL client, or name its folder in bin_dir"
	}
	switch {
	case best.path != "" && least.version != 0:
		return best, nil
	case best.path != "":
		return newest, nil
	case newest.path != "":
		return tool{}, problem.New(toolOld, fmt.Sprintf("%s is version %s, %s is %s", newest.path, newest.version, least.of, least.version), remedy)
	case broken != nil:
		return tool{}, problem.Wrap(broken, toolBroken, remedy)
	default:
		return tool{}, problem.New(toolMissing, candidates[0], remedy)
	}
}

// dumpTool finds a pg_dump for a server.
func (s *strategy) dumpTool(ctx context.Context, server version) (tool, *problem.Problem) {
	return s.findTool(ctx, "pg_dump", need{server, "the server"})
}

func (s *strategy) toolVersion(ctx context.Context, path string) (version, error) {
	// Wrappers of distributions choose a version by these variables.
	text, err := s.env.Host.Output(ctx, host.Command{Name: path, Args: []string{"--version"}, Env: s.clientEnv("")})
	if err != nil {
		return 0, err
	}
	return parseVersion(text)
}

// clientEnv is the connection for a client tool. The password is in passfile.
func (s *strategy) clientEnv(passfile string) []string {
	env := []string{
		"PGHOST=" + s.cfg.Host,
		"PGPORT=" + strconv.Itoa(s.cfg.Port),
		"PGDATABASE=" + s.cfg.Database,
		"PGUSER=" + s.cfg.Username,
		"PGSSLMODE=" + s.cfg.TLS.Mode,
		"PGCONNECT_TIMEOUT=" + strconv.Itoa(int(connectTimeout.Seconds())),
		"PGAPPNAME=" + applicationName,
		"PGCLIENTENCODING=UTF8",
	}
	for name, value := range map[string]string{
		"PGSSLROOTCERT": s.cfg.TLS.CAFile, "PGSSLCERT": s.cfg.TLS.CertFile, "PGSSLKEY": s.cfg.TLS.KeyFile, "PGPASSFILE": passfile,
	} {
		if value == "" && name != "PGPASSFILE" {
			value = os.Getenv(name) // the driver reads it, too
		}
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// runTool runs a client tool with the password in the private file passfile,
// which is removed again.
func (s *strategy) runTool(ctx context.Context, t tool, passfile string, args []string) error {
	return s.runToolTo(ctx, t, passfile, args, io.Discard)
}

// runToolTo is runTool that writes to said, too, what the tool says, with
// env added to its environment.
func (s *strategy) runToolTo(ctx context.Context, t tool, passfile string, args []string, said io.Writer, env ...string) error {
	password, err := s.password()
	if err != nil {
		return err
	}
	if password.IsSet() {
		if err := writePassfile(passfile, password); err != nil {
			return err
		}
		defer func() { _ = os.Remove(passfile) }()
	} else {
		passfile = ""
	}
	_, err = s.env.Host.Run(ctx, host.Command{
		Name: t.path, Args: args, Env: append(s.clientEnv(passfile), env...),
		Stderr: both(s.env.Log, said), Secrets: []secret.String{password, escaped(password)},
	})
	return err
}

// logIn connects once as a dump will: with pg_dump, in its environment. It
// dumps a table of the system's, so that no table of users is locked.
func (s *strategy) logIn(ctx context.Context, t tool) error {
	password, err := s.password()
	if err != nil {
		return err
	}
	c := host.Command{
		Name: t.path, Args: []string{"--schema-only", "--table=pg_catalog.pg_am", "--no-password", "--dbname=" + keepAlive},
		Stderr: s.env.Log, Secrets: []secret.String{password, escaped(password)},
	}
	if !password.IsSet() {
		c.Env = s.clientEnv("")
		_, err = s.env.Host.Run(ctx, c)
		return err
	}
	if c.Private, err = host.PrivateFile(passline(password)); err != nil {
		return err
	}
	defer c.Private.Close()
	c.Env = s.clientEnv(c.Private.Path)
	_, err = s.env.Host.Run(ctx, c)
	return err
}

// passline is the password for every server: the tool that gets it connects to one
// only, and names need no escaping then.
func passline(password secret.String) string { return "*:*:*:*:" + escaped(password).Reveal() + "\n" }

// escaped is a password as it stands in a password file.
func escaped(password secret.String) secret.String {
	return secret.New(strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(password.Reveal()))
}

// writePassfile writes a password file.
func writePassfile(path string, password secret.String) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// A crash may have left one, with a mode that is not ours.
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(passline(password)), 0o600)
}
