// Package catalog is the list of backups: one JSON file a backup in the state
// folder, written by rename. It is a convenience: all it holds can be read
// again from the archives' own destinations.
//
// It leaves out what a run did (internal/records/journal) and what to remove
// (internal/records/retention).
package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/providers"
)

// maxEntry bounds what is read of one entry or drill, in bytes. A manifest beside
// an archive may be as large.
const maxEntry = 64 << 20

// Status of a backup.
type Status string

const (
	// Complete backups are stored in every archive of their plan.
	Complete Status = "complete"
	// Captured backups are good, but storing them did not succeed yet:
	// `bkp apply --resume` goes on from there.
	Captured Status = "captured"
	// Superseded backups lay in the working copy alone, which a later run has
	// changed.
	Superseded Status = "superseded"
)

// Entry is one backup.
type Entry struct {
	Manifest providers.Manifest `json:"manifest"`
	Status   Status             `json:"status"`
	// Error says why a captured backup was not stored, or a complete one not in
	// every archive.
	Error string `json:"error,omitempty"`
	// Damaged are the archives in which the last verification found damage.
	Damaged []Damage `json:"damaged,omitempty"`
}

// Damage is what a verification found in an archive.
type Damage struct {
	Archive string `json:"archive"`
	// At is when it was found.
	At time.Time `json:"at"`
	// Found are the faults, a sentence each.
	Found []string `json:"found"`
}

// DamagedIn reports whether the last verification of the archive found damage.
func (e Entry) DamagedIn(archive string) bool {
	return slices.ContainsFunc(e.Damaged, func(d Damage) bool { return d.Archive == archive })
}

// Verified records what a verification of a backup's archive found, in place of
// what an earlier one did; nothing found is that the archive is good. A backup
// that is not on the list has no record.
func (c Catalog) Verified(id providers.BackupID, archive string, found []string, at time.Time) error {
	e, err := c.Get(id)
	if errors.Is(err, providers.ErrNotFound) || err == nil && len(found) == 0 && !e.DamagedIn(archive) {
		return nil
	}
	if err != nil {
		return err
	}
	e.Damaged = slices.DeleteFunc(e.Damaged, func(d Damage) bool { return d.Archive == archive })
	if len(found) > 0 {
		e.Damaged = append(e.Damaged, Damage{archive, at.UTC(), found})
	}
	return c.Put(e)
}

// Holds reports whether what the component made for the backup must stay: the
// backup needs it, and no archive has a copy of it.
func (e Entry) Holds(address string) bool {
	switch e.Status {
	case Captured:
		_, ok := e.Manifest.Artifact(address)
		return ok
	case Complete:
		return e.Manifest.Held(address)
	case Superseded:
	}
	return false
}

// Catalog is a folder of entries. It may not exist yet.
type Catalog struct{ Dir string }

// Put adds or replaces an entry.
func (c Catalog) Put(e Entry) error {
	if _, err := providers.ParseBackupID(string(e.Manifest.ID)); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(c.path(e.Manifest.ID), append(b, '\n'))
}

// Clean removes what a Put or a Pin left that was killed. The caller MUST know that no run
// is under way.
func (c Catalog) Clean() error { return errors.Join(cleanFolder(c.Dir), cleanFolder(c.pinDir())) }

// CleanDrills removes what a PutDrill left that was killed. The caller MUST know
// that no drill is under way.
func (c Catalog) CleanDrills() error { return cleanFolder(c.drillDir()) }

// DrillsHalfWritten reports whether there is something for CleanDrills to remove.
func (c Catalog) DrillsHalfWritten() bool {
	files, _ := os.ReadDir(c.drillDir())
	return slices.ContainsFunc(files, func(f os.DirEntry) bool { return isPartial(f.Name()) })
}

func cleanFolder(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, f := range files {
		if isPartial(f.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, f.Name())))
		}
	}
	return err
}

// isPartial recognizes the names under which writeFile writes: .ID.json and a number.
func isPartial(name string) bool {
	id, number, ok := strings.Cut(strings.TrimPrefix(name, "."), ".json")
	_, err := providers.ParseBackupID(id)
	return ok && err == nil && strings.HasPrefix(name, ".") && number != ""
}

// Get returns one entry; the error wraps providers.ErrNotFound for an unknown
// id.
func (c Catalog) Get(id providers.BackupID) (Entry, error) {
	b, err := host.ReadRegular(c.path(id), maxEntry)
	if errors.Is(err, os.ErrNotExist) {
		return Entry{}, fmt.Errorf("%w: %s", providers.ErrNotFound, id)
	}
	if err != nil {
		return Entry{}, err
	}
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return Entry{}, fmt.Errorf("%s cannot be read: %w", c.path(id), err)
	}
	if e.Manifest.Format > providers.ManifestFormat {
		return Entry{}, fmt.Errorf("%s has format %d, this version reads %d: use a newer bkp", c.path(id), e.Manifest.Format, providers.ManifestFormat)
	}
	if e.Manifest.ID != id {
		return Entry{}, fmt.Errorf("%s is about %q", c.path(id), e.Manifest.ID)
	}
	return e, nil
}

// List returns all entries, newest first, and the files that could not be
// read as errors.
func (c Catalog) List() ([]Entry, []error) {
	files, err := os.ReadDir(c.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{err}
	}
	var out []Entry
	var bad []error
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".json")
		id, err := providers.ParseBackupID(name)
		if !ok || err != nil {
			continue
		}
		e, err := c.Get(id)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return b.Manifest.ID.Time().Compare(a.Manifest.ID.Time()) })
	return out, bad
}

// Remove takes an entry off the list. None is success.
func (c Catalog) Remove(id providers.BackupID) error {
	err := os.Remove(c.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (c Catalog) path(id providers.BackupID) string {
	return filepath.Join(c.Dir, string(id)+".json")
}
