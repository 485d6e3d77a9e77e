package pgserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	dir, err := scratch.MakeDir(o.Dir, "", true, account())
	if err != nil {
		return nil, err
	}
	s := &Server{
		bin: o.BinDir, user: "bkp_" + strings.ToLower(rand.Text()[:10]), password: rand.Text(),
		settings: slices.Concat(foreign, o.Settings), cluster: data,
	}
	s.Server = scratch.NewServer(s.program(), dir, account())
	return s.begin(ctx, s.configure, s.own, s.makeSuperuser)
}

// configure writes configuration files that let nobody in but the new superuser.
func (s *Server) configure(context.Context) error {
	files := map[string]string{
		"config_file": "", "ident_file": "",
		"hba_file": fmt.Sprintf("local all %[1]s scram-sha-256\nhost all %[1]s 127.0.0.1/32 scram-sha-256\n", s.user),
	}
	for setting, text := range files {
		path, err := s.Write(setting, text)
		if err != nil {
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
		return account().Own(path)
	})
	if err != nil {
		return err
	}
	return os.Chmod(s.cluster, 0o700) //nolint:gosec // a folder: PostgreSQL refuses any other mode
}

// makeSuperuser recovers the cluster, and makes a role in it, without letting
// anybody in.
func (s *Server) makeSuperuser(ctx context.Context) error {
	argv := append([]string{filepath.Join(s.bin, "postgres"), "--single"}, s.args(anyPort)...)
	sql := fmt.Sprintf("CREATE ROLE %s SUPERUSER LOGIN PASSWORD '%s'\n", s.user, s.password)
	out, err := s.Tool(ctx, sql, append(argv, "postgres")...)
	if ctx.Err() != nil {
		return err
	}
	if err != nil || bytes.Contains(out, []byte("ERROR:")) {
		return fmt.Errorf("recovery: %w: %s", errors.Join(err, errRecovery), bytes.ReplaceAll(out, []byte(s.password), []byte("(sensitive)")))
	}
	return nil
}

var errRecovery = errors.New("the cluster cannot be used")
