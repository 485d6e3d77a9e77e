//go:build unix

package treesync

import (
	"os"

	"github.com/google/renameio/v2/maybe"
)

// syncedMark names the file beside an index that tells which index has reached
// the disk, with all that it speaks of.
func syncedMark(indexPath string) string { return indexPath + ".synced" }

// isSynced tells whether the index, and the copy as it was then, outlive a
// power cut.
func isSynced(path string, i info) bool {
	text, err := os.ReadFile(syncedMark(path))
	return err == nil && i.Run != "" && string(text) == i.Run
}

// markSynced notes that the index at path has reached the disk.
func markSynced(path, run string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = f.Sync()
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return maybe.WriteFile(syncedMark(path), []byte(run), 0o600)
}
