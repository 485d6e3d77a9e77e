package cli

import (
	"io/fs"
	"os"
)

// replaceFile changes the content of a file that exists, and nothing else of
// it. A link stays, and its target changes.
func replaceFile(name string, data []byte) error { return os.WriteFile(name, data, 0o600) }

// writeByRename makes a file, or replaces one. It is not atomic here: the system has
// no such call.
func writeByRename(name string, data []byte, mode fs.FileMode) error {
	return os.WriteFile(name, data, mode)
}
