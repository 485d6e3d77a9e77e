package database

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"bkp/internal/problem"
	"bkp/providers"
)

// shownNames is how many names a finding lists.
const shownNames = 8

// List joins names, of many only the first.
func List(names []string) string {
	if more := len(names) - shownNames; more > 0 {
		return strings.Join(names[:shownNames], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// AddProblem makes a problem a finding of the report; any other error stays
// one.
func AddProblem(r *providers.Report, err error) error {
	var p *problem.Problem
	if errors.As(err, &p) {
		r.Add(p)
		return nil
	}
	return err
}

// Summaries of findings about dumps that are made inside the lock.
const (
	DumpedLocked = "database is dumped inside the lock"
	NeedlessLock = "database need not be dumped inside the lock"
)

// WarnLocked warns that the lock window grows with the database, and why it
// must; without a reason it need not.
func WarnLocked(e providers.Estimate, reason, remedy string) *problem.Problem {
	size := fmt.Sprintf("the lock window grows with the database, now about %s", humanize.Bytes(uint64(e.Bytes)))
	if reason == "" {
		return problem.Warn(NeedlessLock, size+", although a snapshot can be taken", "remove locked_dump: the dump is then made after the unlock")
	}
	return problem.Warn(DumpedLocked, size+": "+reason, remedy)
}

// LockedCapture is what the plan says of a dump inside the lock.
func LockedCapture(e providers.Estimate, database, tool string) string {
	return fmt.Sprintf("dump database %q, about %s, with %s inside the lock", database, humanize.Bytes(uint64(e.Bytes)), tool)
}

// RemoveOtherDumps frees the space of earlier runs in a work folder. Their
// homes are gone from the working copy by now, so a dump left there belongs to
// nothing.
func RemoveOtherDumps(workDir string, keep providers.BackupID) error {
	entries, err := os.ReadDir(workDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, _, _ := strings.Cut(e.Name(), "Z.")
		if name != e.Name() {
			name += "Z"
		}
		id, err := providers.ParseBackupID(name)
		if err != nil || id == keep {
			continue
		}
		if err := os.RemoveAll(filepath.Join(workDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
