package awsebs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
)

// unknownFor is for how long the set of a backup that was discarded is looked for, from the time
// of its id. Amazon may show it only after Discard, and the next run may be weeks away.
const unknownFor = 30 * 24 * time.Hour

// Abandoned implements snapshot.Completer.
func (s *storage) Abandoned(set snapshot.Set) bool {
	return set.Doomed || slices.Contains(s.lost(), set.Tag.Backup)
}

// Discarded implements snapshot.Completer.
func (s *storage) Discarded(b providers.BackupID) error {
	lost := s.lost()
	if slices.Contains(lost, b) {
		return nil
	}
	return s.writeLost(append(lost, b))
}

// captured takes a backup off the list of those that were discarded.
func (s *storage) captured(b providers.BackupID) error {
	lost := s.lost()
	if !slices.Contains(lost, b) {
		return nil
	}
	return s.writeLost(slices.DeleteFunc(lost, func(one providers.BackupID) bool { return one == b }))
}

func (s *storage) lostPath() string { return filepath.Join(s.env.WorkDir, "lost") }

// lost are the backups whose set may come to be seen after it was discarded.
func (s *storage) lost() []providers.BackupID {
	text, _ := os.ReadFile(s.lostPath()) // the first Discard makes it
	var out []providers.BackupID
	for _, line := range strings.Fields(string(text)) {
		if b, err := providers.ParseBackupID(line); err == nil && time.Since(b.Time()) < unknownFor {
			out = append(out, b)
		}
	}
	return out
}

// writeLost replaces the list, so that a kill leaves the old one or the new one.
func (s *storage) writeLost(of []providers.BackupID) error {
	var text strings.Builder
	for _, one := range of {
		text.WriteString(string(one) + "\n")
	}
	partial := s.lostPath() + ".partial"
	if err := errors.Join(os.MkdirAll(s.env.WorkDir, 0o700), os.WriteFile(partial, []byte(text.String()), 0o600)); err != nil {
		return err
	}
	return os.Rename(partial, s.lostPath())
}
