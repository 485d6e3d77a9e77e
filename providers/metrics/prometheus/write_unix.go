//go:build !windows

package prometheus

import (
	"path/filepath"

	"github.com/google/renameio/v2"
)

// replace writes a file that any user may read: the collector runs as another one.
func replace(path string, data []byte) error {
	return renameio.WriteFile(path, data, 0, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o644))
}
