package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/providers"
)

// keptRecords is how many runs of an instance without a backup keep their
// journal and log: a month of nights, to find out what went wrong.
const keptRecords = 30

// TidyRecords removes journals and logs that nobody needs any more. Those of
// listed backups stay, those that have something left to clean up or that
// cannot be read, and of the others the newest. The caller holds the run lock.
// What goes wrong here is no failure of a run.
func (eng *Engine) TidyRecords() {
	removable, err := eng.oldRecords()
	for _, id := range removable {
		// The journal goes last: by it the next run finds the log again.
		err = errors.Join(err, removeIfThere(eng.logPath(id)), journal.Remove(eng.journalDir(), id))
	}
	if err != nil {
		eng.note("warning: old journals and logs could not be removed: %v", err)
	}
}

// oldRecords returns the runs whose records can go.
func (eng *Engine) oldRecords() ([]providers.BackupID, error) {
	entries, bad := eng.Catalog().List()
	if len(bad) > 0 {
		return nil, nil // list reports it; until then it is not known which are needed
	}
	needed := map[providers.BackupID]bool{}
	for _, e := range entries {
		needed[e.Manifest.ID] = e.Status != catalog.Superseded
	}
	ids, err := eng.recorded()
	var old []providers.BackupID
	others := map[string]int{}
	for _, id := range slices.Backward(ids) {
		if needed[id] {
			continue
		}
		r, err := journal.Load(eng.journalDir(), id)
		lost := errors.Is(err, fs.ErrNotExist) // a log without its journal
		if err != nil && !lost || !lost && !r.Ended || r.MayBeLocked {
			continue
		}
		if others[id.Instance()]++; others[id.Instance()] > keptRecords {
			old = append(old, id)
		}
	}
	return old, err
}

// recorded are the runs with a journal or a log, oldest first.
func (eng *Engine) recorded() ([]providers.BackupID, error) {
	ids, err := journal.IDs(eng.journalDir())
	logs, _ := os.ReadDir(filepath.Dir(eng.logPath("")))
	for _, l := range logs {
		name, ok := strings.CutSuffix(l.Name(), ".log")
		if id, err := providers.ParseBackupID(name); ok && err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.SortStableFunc(ids, func(a, b providers.BackupID) int { return a.Time().Compare(b.Time()) })
	return ids, err
}

func removeIfThere(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
