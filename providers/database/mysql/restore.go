package mysql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

const (
	restoreFailed = "restore of the database failed"
	// undoTimeout is how long removing a half-made restore may take.
	undoTimeout = 5 * time.Minute
	// maxWindow bounds the memory that reading a foreign dump may take; ours
	// have 4 MiB.
	maxWindow = 64 << 20
)

// Restore implements providers.Restorer. A database that it had to create is
// dropped again when it fails, one that was empty is emptied again.
func (s restorer) Restore(ctx context.Context, a providers.Artifact) error {
	path := filepath.Join(a.Dir(), dumpName)
	if _, err := os.Stat(path); a.Dir() == "" || err != nil {
		return problem.New("no dump to restore", fmt.Sprintf("%q holds no %s", a.Dir(), dumpName), "fetch the backup again, or verify it")
	}
	if err := database.CheckDump(a.Dir()); err != nil {
		return err
	}
	t, err := s.openTarget(ctx, a)
	if err != nil {
		return err
	}
	defer t.conn.close()
	if p := t.tooSmall(a); p != nil {
		return p
	}
	if p := t.bound(a); p != nil {
		return p
	}
	foreign, err := t.conn.foreign(ctx, s.cfg.Database, t.facts.version, definersOf(a))
	if err != nil {
		return err
	}
	client, finding := s.findTool(ctx, restoring(), t.facts.version)
	if err := usable(finding); err != nil {
		return err
	}
	if !t.exists {
		if err := t.create(ctx, a); err != nil {
			return err
		}
	}
	if len(foreign) > 0 {
		s.env.Warning(fmt.Sprintf("account %q cannot create objects in the name of others, these are created in its own: %s", s.cfg.Username, strings.Join(foreign, ", ")))
	}
	err = s.load(ctx, client, path, s.edits(a, len(foreign) > 0))
	if err == nil {
		err = s.allArrived(ctx, a)
	}
	if err == nil {
		t.reportDifferences(ctx, a)
		return nil
	}
	undone := t.undo(ctx)
	if undone != nil {
		undone = problem.Wrapf(undone, "target database is only partly restored", "drop it", "database %q", s.cfg.Database)
	}
	if ctx.Err() == nil {
		err = problem.Wrapf(err, restoreFailed, "see the run's log", "database %q", s.cfg.Database)
	}
	return errors.Join(err, undone)
}

// Leavings implements providers.Restorer.
func (s restorer) Leavings(providers.Artifact) []string { return []string{s.restoreOptions()} }

func (s *strategy) restoreOptions() string {
	return filepath.Join(s.env.WorkDir, providers.RestorePrefix+"cnf")
}

// edits are what a dump needs to fit the target.
func (s *strategy) edits(a providers.Artifact, ownName bool) []edit {
	var out []edit
	if ownName {
		out = append(out, withoutDefiner)
	}
	if was := a.Facts[factDatabase]; was != "" && was != s.cfg.Database {
		out = append(out, renamed(was, s.cfg.Database))
	}
	return out
}

// load lets the client read the dump, which ends at the first error.
func (s *strategy) load(ctx context.Context, client tool, path string, edits []edit) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	sql, err := zstd.NewReader(&meter{file: file, total: info.Size(), env: s.env}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer sql.Close()
	var statements io.Reader = sql
	if len(edits) > 0 {
		statements = newEdited(sql, edits)
	}
	options := s.restoreOptions()
	if err := s.writeOptionFile(options, client); err != nil {
		return err
	}
	_, err = s.env.Host.Run(ctx, host.Command{
		Name: client.path, Args: s.restoreArgs(options), Env: toolEnv(options),
		Stdin: statements, Stderr: s.env.Log, Secrets: s.secrets(),
	})
	return errors.Join(err, removeIfThere(options))
}

// meter reports how much of a file was read.
type meter struct {
	file        io.Reader
	read, total int64
	env         providers.Env
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.file.Read(p)
	m.read += int64(n)
	m.env.Report(providers.Progress{Bytes: m.read, TotalFiles: 1, TotalBytes: m.total})
	return n, err
}
