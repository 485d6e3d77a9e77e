package stage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/internal/records/leftover"
	"bkp/providers"
)

// Record is what stays when a restore is killed.
type Record struct {
	Backup providers.BackupID `json:"backup"`
	// Paths are removed with all that is in them. Their last names begin with
	// providers.RestorePrefix.
	Paths []string `json:"paths"`
	// Above are folders that were not there before, each before those in it; they
	// are removed where nothing is in them.
	Above []string `json:"above,omitempty"`
	// There are components that are restored on other machines.
	There []There `json:"there,omitempty"`
}

// There is a component that is restored on another machine, which keeps a record of
// its own: only that machine knows its paths.
type There struct {
	Backup providers.BackupID `json:"backup"`
	// On is the address of the connection.
	On string `json:"on"`
	// Work is the component's folder below the state folder of that machine.
	Work string `json:"work"`
}

// at leaves out for which backup.
func (t There) at() There { return There{On: t.On, Work: t.Work} }

// Unpack adds a folder into which a copy is to be unpacked, and those above it that
// have to be made.
func (r *Record) Unpack(dir string) {
	r.Paths = append(r.Paths, dir)
	r.Above = append(r.Above, missing(filepath.Dir(dir))...)
}

// Elsewhere adds a component on another machine.
func (r *Record) Elsewhere(t There) {
	if !slices.ContainsFunc(r.There, func(have There) bool { return have.at() == t.at() }) {
		r.There = append(r.There, t)
	}
}

// Names reports whether a component on another machine is in the record, for whichever
// backup.
func (r Record) Names(t There) bool {
	return slices.ContainsFunc(r.There, func(have There) bool { return have.at() == t.at() })
}

// Remember writes the record that lies at path, before anything that it names is made.
// What an earlier restore left, and could not be removed, stays on record.
func Remember(path string, r Record) error {
	var earlier Record
	if _, err := leftover.Load(path, &earlier); err != nil {
		earlier = Record{} // Clean has reported it, and nothing there can be relied on
	}
	r.Paths = slices.Concat(earlier.Paths, r.Paths)
	slices.Sort(r.Paths)
	r.Paths = slices.Compact(r.Paths)
	r.Above = slices.Concat(earlier.Above, r.Above)
	for _, t := range earlier.There {
		r.Elsewhere(t)
	}
	if err := r.valid(path); err != nil {
		return err
	}
	return leftover.Save(path, r)
}

// ErrLater is wrapped by the error of who does not clean up on another machine now.
var ErrLater = errors.New("left to a later clean-up")

// Clean removes what the record at path names, and the record. It returns what that
// held; what is there of a component on another machine is for there to remove. What
// cannot be removed stays on record. What had its place by then stays. The caller sees
// that nobody restores meanwhile. It may be called twice.
func Clean(path string, there func(There) error) (Record, error) {
	var r Record
	if !leftover.Exists(path) {
		return r, nil
	}
	if found, err := leftover.Load(path, &r); err != nil || !found {
		return Record{}, err
	}
	if err := r.valid(path); err != nil {
		return r, err
	}
	left, err := r.remove()
	for _, t := range r.There {
		failed := there(t)
		if failed == nil {
			continue
		}
		left.Elsewhere(t)
		if !errors.Is(failed, ErrLater) {
			err = errors.Join(err, failed)
		}
	}
	if len(left.Paths) == 0 && len(left.There) == 0 {
		return r, errors.Join(err, os.Remove(path))
	}
	return r, errors.Join(err, leftover.Save(path, left))
}

// remove removes what is on this machine, and returns what is left of it.
func (r Record) remove() (left Record, all error) {
	left.Backup = r.Backup
	for _, path := range r.Paths {
		if err := leftover.Remove(path); err != nil {
			left.Paths = append(left.Paths, path)
			all = errors.Join(all, problem.Wrap(err, "what a restore left cannot be removed", "remove it by hand:\n\n    rm -rf "+path))
		}
	}
	if all != nil {
		left.Above = r.Above
		return left, all
	}
	for _, dir := range slices.Backward(r.Above) {
		_ = os.Remove(dir) // it may have become the place of something
	}
	return left, nil
}

// valid refuses paths that no restore makes.
func (r Record) valid(at string) error {
	for _, path := range r.Paths {
		if !filepath.IsAbs(path) || !strings.HasPrefix(filepath.Base(path), providers.RestorePrefix) {
			return problem.New("record of a restore is invalid", fmt.Sprintf("%s names %q, which is not a folder of a restore", at, path), "check what the file names, then remove it")
		}
	}
	return nil
}
