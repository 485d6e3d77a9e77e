package postgresql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// Restore implements providers.Restorer. A database that it had to create is
// dropped again when it fails, one that was empty is emptied again.
func (s restorer) Restore(ctx context.Context, a providers.Artifact) (err error) {
	if _, err := os.Stat(filepath.Join(a.Dir(), "toc.dat")); a.Dir() == "" || err != nil {
		return problem.New("no dump to restore", fmt.Sprintf("%q holds no toc.dat", a.Dir()), "fetch the backup again, or verify it")
	}
	if err := database.CheckDump(a.Dir()); err != nil {
		return err
	}
	client, missing := s.restoreTool(ctx, a)
	if missing != nil {
		return missing
	}
	t, err := s.openTarget(ctx, a)
	if err != nil {
		return err
	}
	defer t.close(ctx)
	if p, err := t.denied(ctx, a); err != nil {
		return err
	} else if p != nil {
		return p
	}
	lost, err := t.ownersLost(ctx, a)
	if err != nil {
		return err
	}
	if lost != "" {
		s.env.Warning(ownersNotRestored + ": " + lost)
	}
	leftOut, present, err := t.notCreated(ctx, a)
	if err != nil {
		return err
	}
	if len(leftOut) > 0 {
		s.env.Warning(fmt.Sprintf("role %q cannot create %s: they are left out", s.cfg.Username, listed(leftOut)))
	}
	list, err := s.useList(ctx, client, a.Dir(), slices.Concat(leftOut, present, s.absent))
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(list) }()
	if !t.exists {
		if err := t.create(ctx, a); err != nil {
			return err
		}
	}
	err = s.runRestore(ctx, client, restoreArgs(a.Dir(), list, s.cfg.Database, s.cfg.jobs(), lost == ""), t.version)
	if err == nil {
		err = s.allArrived(ctx, a.Dir())
	}
	if err == nil {
		return s.tablesFound(ctx, a) // undoes nothing: the data is there
	}
	undone := t.undo(ctx)
	if undone != nil {
		undone = problem.Wrapf(undone, "target database is only partly restored", "drop it", "database %q", s.cfg.Database)
	}
	if ctx.Err() == nil {
		err = problem.Wrapf(err, restoreFailed, unlessProxy(err, "see the run's log"), "database %q", s.cfg.Database)
	}
	return errors.Join(err, undone)
}

// tableData is the file of a table's rows, however they are compressed.
var tableData = regexp.MustCompile(`^\d+\.dat(\.\w+)?$`)

// allArrived compares the tables of the database with those of the dump. Debian's
// pg_restore is a script that ends without an error also when it cannot start the
// program, for want of memory, say; then nothing was restored. A count that cannot
// be made undoes nothing that took hours.
func (s *strategy) allArrived(ctx context.Context, dump string) error {
	dumped, tables, err := s.countTables(ctx, dump)
	if err != nil && ctx.Err() == nil {
		s.env.Warning("bkp could not check that all tables were restored: " + err.Error())
		return nil
	}
	if err == nil && tables < dumped {
		return problem.New("restore incomplete", fmt.Sprintf("database %q has %d of %d tables, although pg_restore reported success", s.cfg.Database, tables, dumped),
			"check whether this machine is short of memory or processes, then restore again")
	}
	return err
}

func (s *strategy) countTables(ctx context.Context, dump string) (dumped, restored int, err error) {
	files, err := os.ReadDir(dump)
	if err != nil {
		return 0, 0, err
	}
	for _, f := range files {
		if tableData.MatchString(f.Name()) {
			dumped++
		}
	}
	conn, err := s.dial(ctx, s.cfg.Database)
	if err != nil {
		return dumped, 0, err
	}
	defer func() { _ = closeConn(ctx, conn) }()
	err = conn.QueryRow(ctx, `SELECT count(*) FROM pg_catalog.pg_class c WHERE relkind = 'r' AND `+userSchema).Scan(&restored)
	return dumped, restored, err
}

// Leavings implements providers.Restorer.
func (s restorer) Leavings(providers.Artifact) []string {
	return []string{s.restorePassfile(), s.listFile()}
}

func (s *strategy) restorePassfile() string {
	return filepath.Join(s.env.WorkDir, providers.RestorePrefix+"pgpass")
}

func restoreArgs(folder, list, database string, jobs int, owners bool) []string {
	args := []string{
		// As a bare name, one that holds "=" would be read as settings.
		"--dbname=" + keepAlive + " dbname=" + quoteSetting(database),
		"--format=directory", "--jobs=" + strconv.Itoa(jobs), "--use-list=" + list, "--no-password",
	}
	if !owners {
		args = append(args, "--no-owner", "--no-privileges")
	}
	return append(args, folder)
}
