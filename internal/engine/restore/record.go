package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/leftover"
	"bkp/providers"
)

// record is what stays when a restore is killed.
type record struct {
	Backup providers.BackupID `json:"backup"`
	// Paths are removed with all that is in them.
	Paths []string `json:"paths"`
	// Above are folders that were not there before, each before those in it; they
	// are removed where nothing is in them.
	Above []string `json:"above,omitempty"`
}

func recordPath(state string) string { return filepath.Join(state, "restore.json") }

// remember records what the restore will make for a while, before any of it is
// there.
// What an earlier one left, and could not be removed, stays on record.
func (p Plan) remember() error {
	var r record
	if _, err := leftover.Load(recordPath(p.StateDir), &r); err != nil {
		r = record{} // Clean has reported it, and nothing there can be relied on
	}
	r.Backup = p.ID
	for _, part := range p.Parts {
		if isStored(part) {
			stage := p.stageOf(part)
			r.Paths = append(r.Paths, stage)
			r.Above = append(r.Above, missing(filepath.Dir(stage))...)
		}
		r.Paths = append(r.Paths, part.Restorer.Leavings(part.Artifact)...)
	}
	slices.Sort(r.Paths)
	r.Paths = slices.Compact(r.Paths)
	for _, path := range r.Paths {
		if err := removable(p.StateDir, path); err != nil {
			return err
		}
	}
	return leftover.Save(recordPath(p.StateDir), r)
}

// missing are the folders of a path that are not there, the highest first.
func missing(dir string) []string {
	var out []string
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		out = append(out, dir)
	}
	slices.Reverse(out)
	return out
}

// forget removes what was recorded. What cannot be removed stays on record, and
// is no failure of a restore.
func forget(state string, sink event.Sink) {
	if _, err := Clean(state); err != nil {
		sink.Emit(event.Event{Time: time.Now(), Kind: event.Warning, Message: "not everything that was unpacked could be removed; bkp recover tries again: " + err.Error()})
	}
}

// Clean removes what a restore left that was killed, and returns its backup; ""
// when there was none. What had its place by then stays. The caller holds the
// run lock of the state folder: no restore is under way.
func Clean(state string) (providers.BackupID, error) {
	if !leftover.Exists(recordPath(state)) {
		return "", nil
	}
	var r record
	if found, err := leftover.Load(recordPath(state), &r); err != nil || !found {
		return "", err
	}
	var all error
	for _, path := range r.Paths {
		all = errors.Join(all, removable(state, path))
	}
	if all != nil {
		return r.Backup, all
	}
	for _, path := range r.Paths {
		if err := leftover.Remove(path); err != nil {
			all = errors.Join(all, problem.Wrap(err, "what a restore left cannot be removed", "remove it by hand:\n\n    rm -rf "+path))
		}
	}
	if all != nil {
		return r.Backup, all
	}
	for _, dir := range slices.Backward(r.Above) {
		_ = os.Remove(dir) // it may have become the place of something
	}
	return r.Backup, os.Remove(recordPath(state))
}

// removable refuses a path that no restore makes.
func removable(state, path string) error {
	if filepath.IsAbs(path) && strings.HasPrefix(filepath.Base(path), providers.RestorePrefix) {
		return nil
	}
	return problem.New("record of a restore is invalid", fmt.Sprintf("%s names %q, which is not a folder of a restore", recordPath(state), path), "check what the file names, then remove it")
}
