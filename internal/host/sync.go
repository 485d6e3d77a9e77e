package host

import (
	"errors"
	"os"
)

// SyncDir makes the names in a folder safe on disk: a file that was created or
// renamed there is found again after a power cut. File systems that cannot do
// so are passed over.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return ignoreOnWindows(err)
	}
	return nil
}
