//go:build !windows

package catalog

import (
	"path/filepath"

	"github.com/google/renameio/v2"
)

// writeFile replaces a file at once. What is not complete lies beside it, and not
// in the system's temporary folder, where nobody would clean up after a kill.
func writeFile(path string, data []byte) error {
	return renameio.WriteFile(path, data, 0o600, renameio.WithTempDir(filepath.Dir(path)))
}
