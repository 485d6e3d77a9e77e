package postgresql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

const (
	restoreFailed = "restore of the database failed"
	// undoTimeout is how long removing a half-made restore may take.
	undoTimeout = 5 * time.Minute
)

// Restore implements providers.Strategy. A database that it had to create is
// dropped again when it fails, one that was empty is emptied again.
func (s *strategy) Restore(ctx context.Context, a providers.Artifact) (err error) {
	if _, err := os.Stat(filepath.Join(a.Tree, "toc.dat")); a.Tree == "" || err != nil {
		return problem.New("no dump to restore", fmt.Sprintf("%q holds no toc.dat", a.Tree), "fetch the backup again, or verify it")
	}
	if err := database.CheckDump(a.Tree); err != nil {
		return err
	}
	client, missing := s.restoreTool(ctx, a)
	if missing != nil {
		return missing
	}
	t, err := s.openTarget(ctx)
	if err != nil {
		return err
	}
	defer t.close(ctx)
	lost, err := t.ownersLost(ctx, a)
	if err != nil {
		return err
	}
	if lost != "" {
		s.env.Warning(ownersNotRestored + ": " + lost)
	}
	if !t.exists {
		if err := t.create(ctx, a); err != nil {
			return err
		}
	}
	err = s.runTool(ctx, client, s.restorePassfile(), restoreArgs(a.Tree, s.cfg.Database, s.cfg.jobs(), lost == ""))
	if err == nil {
		return nil
	}
	undone := t.undo(ctx)
	if undone != nil {
		undone = problem.Wrapf(undone, "target database holds a part of the backup", "drop it", "database %q", s.cfg.Database)
	}
	if ctx.Err() == nil {
		err = problem.Wrapf(err, restoreFailed, "see the run's log", "database %q", s.cfg.Database)
	}
	return errors.Join(err, undone)
}

// Leavings implements providers.Leaver.
func (s *strategy) Leavings(providers.Artifact) []string { return []string{s.restorePassfile()} }

func (s *strategy) restorePassfile() string {
	return filepath.Join(s.env.WorkDir, providers.RestorePrefix+"pgpass")
}

func restoreArgs(folder, database string, jobs int, owners bool) []string {
	args := []string{
		// As a bare name, one that holds "=" would be read as settings.
		"--dbname=" + keepAlive + " dbname=" + quoteSetting(database),
		"--format=directory", "--jobs=" + strconv.Itoa(jobs), "--exit-on-error", "--no-password",
	}
	if !owners {
		args = append(args, "--no-owner", "--no-privileges")
	}
	return append(args, folder)
}
