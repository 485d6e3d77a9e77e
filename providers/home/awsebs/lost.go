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

// unknownFor is for how long the set of a call is looked for that ended without an answer, and
// that nobody saw.
const unknownFor = 24 * time.Hour

// Abandoned implements snapshot.Completer.
func (s *storage) Abandoned(set snapshot.Set) bool {
	return set.Doomed || slices.Contains(s.lost(), set.Tag.Backup)
}

func (s *storage) lostPath() string { return filepath.Join(s.env.WorkDir, "lost") }

// lost are the backups whose set may come to be seen after their run has failed.
func (s *storage) lost() []providers.BackupID {
	text, _ := os.ReadFile(s.lostPath()) // as a rule nothing was lost
	var out []providers.BackupID
	for _, line := range strings.Fields(string(text)) {
		if b, err := providers.ParseBackupID(line); err == nil && time.Since(b.Time()) < unknownFor {
			out = append(out, b)
		}
	}
	return out
}

// noteLost notes a backup whose set Discard may not see yet.
func (s *storage) noteLost(b providers.BackupID) error {
	var text strings.Builder
	for _, one := range append(s.lost(), b) {
		text.WriteString(string(one) + "\n")
	}
	return errors.Join(os.MkdirAll(s.env.WorkDir, 0o700), os.WriteFile(s.lostPath(), []byte(text.String()), 0o600))
}
