package mysql

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

// Summaries of problems with the client tools.
const (
	toolMissing = "MySQL client not found"
	toolOther   = "MySQL client of another kind than the server"
	toolOld     = "MySQL client older than the server"
	toolBroken  = "MySQL client does not work"
	toolRefused = "MySQL client cannot read the database"
)

// logInTimeout is how long the tool may take to log in on trial.
const logInTimeout = time.Minute

// noDefaults keeps a tool from the machine's and the user's option files, which
// may hold what it refuses. It must be the first argument.
const noDefaults = "--no-defaults"

// maxPacket is what the tools are ready to take; the server's own limit holds.
const maxPacket = "1G"

// tool is a client program and its version.
type tool struct {
	path    string
	version version
}

func (t tool) String() string {
	return fmt.Sprintf("%s %d.%d.%d", filepath.Base(t.path), t.version.major, t.version.minor, t.version.patch)
}

// job is one of the two things that a client program is wanted for: the names of
// the programs that do it, the best first.
type job map[kind][]string

func dumping() job {
	return job{kindMySQL: {"mysqldump"}, kindMariaDB: {"mariadb-dump", "mysqldump"}}
}

func restoring() job {
	return job{kindMySQL: {"mysql"}, kindMariaDB: {"mariadb", "mysql"}}
}

// findTool looks for the client program for a server. A problem that is a
// warning reports a tool that may do.
func (s *strategy) findTool(ctx context.Context, j job, server version) (tool, *problem.Problem) {
	var candidates []string
	for _, name := range j[server.kind] {
		candidates = append(candidates, filepath.Join(s.cfg.BinDir, name))
	}
	remedy := fmt.Sprintf("install the client of %s %d.%d or newer, or name its folder in bin_dir", server.kind, server.major, server.minor)
	var other *problem.Problem
	for _, name := range candidates {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		t := tool{path: path}
		text, err := s.env.Host.Output(ctx, host.Command{Name: path, Args: []string{noDefaults, "--version"}, Env: toolEnv(path)})
		if err == nil {
			t.version, err = parseTool(text)
		}
		switch {
		case err != nil:
			other = problem.Wrap(err, toolBroken, remedy)
		case t.version.kind != server.kind:
			detail := fmt.Sprintf("%s is %s, the server is %s", path, t.version, server)
			if s.cfg.BinDir != "" {
				return t, problem.Warn(toolOther, detail, remedy)
			}
			other = problem.New(toolOther, detail, remedy)
		case t.version.series() < server.series():
			return t, problem.Warn(toolOld, fmt.Sprintf("%s is %s, the server is %s", path, t.version, server), remedy)
		default:
			return t, nil
		}
	}
	if other != nil {
		return tool{}, other
	}
	return tool{}, problem.New(toolMissing, strings.Join(candidates, " or "), remedy)
}

// usable makes an error of a problem that is more than a warning.
func usable(p *problem.Problem) error {
	if p == nil || p.Severity == problem.Warning {
		return nil
	}
	return p
}

// dumpArgs are the arguments of a dump. The database comes last.
func (s *strategy) dumpArgs(t tool, optionFile string, more ...string) []string {
	args := []string{
		"--defaults-file=" + optionFile, // it must be the first
		"--verbose", "--quick", "--hex-blob", "--routines", "--triggers", "--events", "--no-tablespaces",
		"--skip-add-locks", "--default-character-set=utf8mb4", "--max-allowed-packet=" + maxPacket,
	}
	if s.cfg.LockedDump {
		args = append(args, "--lock-tables")
	} else {
		args = append(args, "--single-transaction", "--skip-lock-tables")
	}
	if t.version.kind == kindMySQL {
		args = append(args, "--set-gtid-purged=OFF")
		if t.version.major >= 8 {
			args = append(args, "--column-statistics=0")
		}
	}
	return append(append(args, more...), "--", s.cfg.Database)
}

// restoreArgs are the arguments of the client that reads a dump. In binary
// mode it takes no command from the dump that would run a program or read a
// file, and the server may not ask for one either. Comments of routines reach
// the server.
func (s *strategy) restoreArgs(optionFile string) []string {
	return []string{
		"--defaults-file=" + optionFile, "--batch", "--binary-mode", "--comments", "--local-infile=0", "--default-character-set=utf8mb4",
		"--max-allowed-packet=" + maxPacket, "--", s.cfg.Database,
	}
}

// logIn connects once as a dump will: with the dump tool, in its environment. It
// reads the routines, triggers and events alone, and locks no table.
func (s *strategy) logIn(ctx context.Context, t tool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, logInTimeout, fmt.Errorf("no answer within %s", logInTimeout))
	defer cancel()
	options, err := host.PrivateFile(s.options(t))
	if err != nil {
		return err
	}
	defer options.Close()
	words := &speech{proof: newSignal()}
	_, err = s.env.Host.Run(ctx, host.Command{
		Name: t.path, Args: s.dumpArgs(t, options.Path, "--no-data", "--no-create-info", "--skip-lock-tables"),
		Env: toolEnv(options.Path), Private: options, Stderr: words, Secrets: s.secrets(),
	})
	return words.explain(err)
}

// toolEnv keeps a tool from the login file, which would count more than the
// options that it is given. Variables such as MYSQL_PWD do not reach it: of
// bkp's own environment a tool gets only what host.Command names.
func toolEnv(optionFile string) []string {
	return []string{"MYSQL_TEST_LOGIN_FILE=" + optionFile + ".none"}
}

// options are the connection as an option file for a tool.
func (s *strategy) options(t tool) string {
	var b strings.Builder
	b.WriteString("[client]\n")
	set := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s=\"%s\"\n", name, inOptionFile(value))
		}
	}
	set("user", s.cfg.Username)
	set("password", s.cfg.Password.Reveal())
	if s.cfg.Socket != "" {
		set("protocol", "socket")
		set("socket", s.cfg.Socket)
		return b.String()
	}
	set("protocol", "tcp") // for localhost the tools would take a socket
	set("host", s.cfg.Host)
	set("port", strconv.Itoa(s.cfg.Port))
	if t.version.kind == kindMySQL {
		set("ssl-mode", mysqlModes[s.cfg.TLS.Mode])
		set("loose-get-server-public-key", "1")
	} else {
		s.mariadbTLS(set)
	}
	if s.cfg.TLS.Mode != tlsDisable {
		set("ssl-ca", s.cfg.TLS.CAFile)
		set("ssl-cert", s.cfg.TLS.CertFile)
		set("ssl-key", s.cfg.TLS.KeyFile)
	}
	return b.String()
}

func inOptionFile(value string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`).Replace(value)
}

// secrets are the password in the forms that a tool gets to see.
func (s *strategy) secrets() []secret.String {
	return []secret.String{s.cfg.Password, secret.New(inOptionFile(s.cfg.Password.Reveal()))}
}

// mysqlModes are the modes as MySQL's tools call them.
var mysqlModes = map[string]string{
	tlsDisable: "DISABLED", tlsPrefer: "PREFERRED", tlsRequire: "REQUIRED", tlsVerifyCA: "VERIFY_CA", tlsVerifyFull: "VERIFY_IDENTITY",
}

// mariadbTLS writes the mode as MariaDB's tools know it. They cannot insist on
// encryption without verifying: for require, Prepare's own connection does.
func (s *strategy) mariadbTLS(set func(name, value string)) {
	verify := "0"
	switch s.cfg.TLS.Mode {
	case tlsDisable:
		set("ssl", "0")
		return
	case tlsVerifyCA, tlsVerifyFull:
		verify = "1"
	}
	set("ssl", "1")
	set("ssl-verify-server-cert", verify)
}

// writeOptionFile writes the connection for a tool, and makes the folder. A
// crash may have left a file there, with a mode that is not ours.
func (s *strategy) writeOptionFile(path string, t tool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(s.options(t))
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
