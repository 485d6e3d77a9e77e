package postgresql

import (
	"context"
	"fmt"
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
)

// tool is a client program and its version.
type tool struct {
	path    string
	version version
}

// findTool looks for a client program that is not older than least, first in
// bin_dir or on PATH, then where Debian keeps all versions.
func (s *strategy) findTool(ctx context.Context, name string, least version) (tool, *problem.Problem) {
	first := name
	if s.cfg.BinDir != "" {
		first = filepath.Join(s.cfg.BinDir, name)
	}
	remedy := fmt.Sprintf("install the PostgreSQL client of version %s or newer, or name its folder in bin_dir", least.majorString())
	if least == 0 {
		remedy = "install the PostgreSQL client, or name its folder in bin_dir"
	}

	candidates := []string{first}
	if s.cfg.BinDir == "" {
		others, _ := filepath.Glob(filepath.Join("/usr/lib/postgresql/*/bin", name)) // the pattern is valid
		candidates = append(candidates, others...)
	}
	var best tool
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
		if v > best.version {
			best = tool{path: path, version: v}
		}
		if least != 0 && v.major() >= least.major() || least == 0 {
			return tool{path: path, version: v}, nil
		}
	}
	switch {
	case best.path != "":
		return tool{}, problem.New(toolOld, fmt.Sprintf("%s is version %s, the server is %s", best.path, best.version, least), remedy)
	case broken != nil:
		return tool{}, problem.Wrap(broken, toolBroken, remedy)
	default:
		return tool{}, problem.New(toolMissing, first, remedy)
	}
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
		"PGSSLMODE=" + s.cfg.SSLMode,
		"PGCONNECT_TIMEOUT=" + strconv.Itoa(int(connectTimeout.Seconds())),
		"PGAPPNAME=" + applicationName,
		"PGCLIENTENCODING=UTF8",
	}
	for name, value := range map[string]string{
		"PGSSLROOTCERT": s.cfg.SSLRootCert, "PGSSLCERT": s.cfg.SSLCert, "PGSSLKEY": s.cfg.SSLKey, "PGPASSFILE": passfile,
	} {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// runTool runs a client tool with the password in the private file passfile,
// which is removed again.
func (s *strategy) runTool(ctx context.Context, t tool, passfile string, args []string) error {
	if s.cfg.Password.IsSet() {
		if err := writePassfile(passfile, s.cfg.Password); err != nil {
			return err
		}
		defer func() { _ = os.Remove(passfile) }()
	} else {
		passfile = ""
	}
	_, err := s.env.Host.Run(ctx, host.Command{
		Name: t.path, Args: args, Env: s.clientEnv(passfile),
		Stderr: s.env.Log, Secrets: []secret.String{s.cfg.Password, escaped(s.cfg.Password)},
	})
	return err
}

// escaped is a password as it stands in a password file.
func escaped(password secret.String) secret.String {
	return secret.New(strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(password.Reveal()))
}

// writePassfile writes a password file for every server: the tool that gets
// it connects to one only, and names need no escaping then.
func writePassfile(path string, password secret.String) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// A crash may have left one, with a mode that is not ours.
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.WriteFile(path, []byte("*:*:*:*:"+escaped(password).Reveal()+"\n"), 0o600)
}
