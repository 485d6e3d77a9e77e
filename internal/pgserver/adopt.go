package pgserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"bkp/internal/scratch"
)

// foreign are settings for a cluster that was somebody else's. What it loads,
// archives or follows is not wanted here, and what ALTER SYSTEM set counts less than
// these.
var foreign = []string{
	"shared_preload_libraries=", "session_preload_libraries=", "local_preload_libraries=",
	"archive_mode=off", "archive_command=", "restore_command=", "primary_conninfo=",
	"ssl=off", "huge_pages=off", "log_destination=stderr", "logging_collector=off", "autovacuum=off", "max_prepared_transactions=1000",
}

// anyPort is for a server in single-user mode, which listens nowhere and wants a
// valid one all the same.
const anyPort = 5432

// Adopt starts a server on the cluster in the folder data, which somebody else made
// and which nothing else uses: a copy of one that ran recovers first. The cluster
// becomes that of the server's user, with a superuser of a new name besides its own
// roles; its configuration files do not count. o.Dir takes what else the server
// writes; o.Superuser is not used.
//
// The caller MUST call Stop, which leaves the cluster.
func Adopt(ctx context.Context, o Options, data string) (*Server, error) {
	s := &Server{
		bin: o.BinDir, user: "bkp_" + strings.ToLower(rand.Text()[:10]), password: rand.Text(),
		settings: append(append([]string{}, foreign...), o.Settings...), account: account(), cluster: data,
	}
	var err error
	if s.dir, err = scratch.UseDir(o.Dir, s.account); err != nil {
		return nil, err
	}
	s.port = anyPort
	s.socket = len(filepath.Join(s.dir.Path, ".s.PGSQL.65535.lock")) <= maxSocketPath
	for _, prepare := range []func(context.Context) error{s.configure, s.own, s.makeSuperuser} {
		if err := prepare(ctx); err != nil {
			return nil, errors.Join(err, s.dir.Remove())
		}
	}
	for range ports {
		if s.port, err = scratch.FreePort(ctx); err != nil {
			break
		}
		if err = s.run(ctx); err == nil || !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.dir.Remove())
	}
	return s, nil
}

// configure writes configuration files that let nobody in but the new superuser.
func (s *Server) configure(context.Context) error {
	files := map[string]string{
		"config_file": "", "ident_file": "",
		"hba_file": fmt.Sprintf("local all %[1]s scram-sha-256\nhost all %[1]s 127.0.0.1/32 scram-sha-256\n", s.user),
	}
	for setting, text := range files {
		path := filepath.Join(s.dir.Path, setting)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		if err := s.account.Own(path); err != nil {
			return err
		}
		s.settings = append(s.settings, setting+"="+path)
	}
	return nil
}

// own gives the cluster to the server's user.
func (s *Server) own(ctx context.Context) error {
	err := filepath.WalkDir(s.cluster, func(path string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if d.Type()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s leads out of the cluster", path)
		}
		return s.account.Own(path)
	})
	if err != nil {
		return err
	}
	return os.Chmod(s.cluster, 0o700)
}

// makeSuperuser recovers the cluster, and makes a role in it, without letting
// anybody in.
func (s *Server) makeSuperuser(ctx context.Context) error {
	args := append([]string{"--single"}, s.args()...)
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "postgres"), append(args, "postgres")...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir.Path, scratch.Environment(), s.account.Attributes(orphaned)
	cmd.Stdin = strings.NewReader(fmt.Sprintf("CREATE ROLE %s SUPERUSER LOGIN PASSWORD '%s'\n", s.user, s.password))
	// The signal that ends it with this process is bound to this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil || bytes.Contains(out, []byte("ERROR:")) {
		return fmt.Errorf("recovery: %w: %s", errors.Join(err, errRecovery), bytes.TrimSpace(bytes.ReplaceAll(out, []byte(s.password), []byte("(sensitive)"))))
	}
	return nil
}

var errRecovery = errors.New("the cluster cannot be used")
