package treesync

import (
	"errors"
	"os"

	"bkp/internal/host"
)

// syncedMark names the file beside an index that says which index has reached
// the disk, with all that it speaks of.
func syncedMark(indexPath string) string { return indexPath + ".synced" }

// isSynced reports whether the index, and the copy as it was then, outlive a
// power cut.
func isSynced(path string, i info) bool {
	text, err := host.ReadRegular(syncedMark(path), 4096)
	return err == nil && i.Run != "" && string(text) == i.Run
}

// markSynced notes that the index at path has reached the disk.
func markSynced(path, run string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	// A mark that is torn is that of no run, so it need not be written at once.
	f, err = os.OpenFile(syncedMark(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(run)
	return errors.Join(err, f.Sync(), f.Close())
}
