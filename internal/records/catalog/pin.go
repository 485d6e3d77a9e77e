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

// Pin keeps a backup whatever retention says.
type Pin struct {
	Backup providers.BackupID `json:"backup"`
	// Until is when it ends, at the end of a day; the zero time for never.
	Until time.Time `json:"until,omitzero"`
	// Reason is what the operator gave.
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Holds reports whether the pin has not ended.
func (p Pin) Holds(now time.Time) bool { return p.Until.IsZero() || now.Before(p.Until) }

// String says until when, and why.
func (p Pin) String() string {
	text := "pinned"
	if !p.Until.IsZero() {
		text += " until " + p.Until.Add(-time.Second).Local().Format(time.DateOnly)
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

func (c Catalog) pinDir() string { return filepath.Join(c.Dir, "pins") }

func (c Catalog) pinPath(id providers.BackupID) string {
	return filepath.Join(c.pinDir(), string(id)+".json")
}

// Pin records a pin in place of an earlier one of the same backup.
func (c Catalog) Pin(p Pin) error {
	if _, err := providers.ParseBackupID(string(p.Backup)); err != nil {
		return err
	}
	if err := os.MkdirAll(c.pinDir(), 0o700); err != nil {
		return err
	}
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(c.pinPath(p.Backup), append(b, '\n'))
}

// Unpin removes the pin of a backup, and reports whether there was one.
func (c Catalog) Unpin(id providers.BackupID) (bool, error) {
	if _, err := providers.ParseBackupID(string(id)); err != nil {
		return false, err
	}
	err := os.Remove(c.pinPath(id))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Pins returns all pins, also those that have ended. One that cannot be read is
// an error: what it holds must not be removed.
func (c Catalog) Pins() (map[providers.BackupID]Pin, error) {
	files, err := os.ReadDir(c.pinDir())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[providers.BackupID]Pin{}
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".json")
		id, perr := providers.ParseBackupID(name)
		if !ok || perr != nil {
			continue
		}
		b, err := host.ReadRegular(c.pinPath(id), maxEntry)
		if err != nil {
			return nil, err
		}
		var p Pin
		if err := json.Unmarshal(b, &p); err != nil || p.Backup != id {
			return nil, fmt.Errorf("pin %s cannot be read: %w", c.pinPath(id), errors.Join(err, errForeign(p.Backup, id)))
		}
		out[id] = p
	}
	return out, nil
}

func errForeign(got, want providers.BackupID) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("it is of %q", got)
}

// RemoveFrom records that an archive does not hold a backup any more, and takes
// the backup off the list, with its pin, when none does. A backup that is not on
// the list is no error.
func (c Catalog) RemoveFrom(id providers.BackupID, archive string) error {
	e, err := c.Get(id)
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	e.Manifest = e.Manifest.Without(archive)
	e.Damaged = slices.DeleteFunc(e.Damaged, func(d Damage) bool { return d.Archive == archive })
	if err == nil && len(e.Manifest.Stored) > 0 {
		return c.Put(e)
	}
	_, perr := c.Unpin(id)
	return errors.Join(c.Remove(id), perr)
}
