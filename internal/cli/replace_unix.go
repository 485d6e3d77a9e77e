//go:build !windows

package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"bkp/internal/filemeta"
)

// replaceFile changes the content of a file that exists, and nothing else of
// it: mode, owner and attributes stay. A link stays, and its target changes.
func replaceFile(name string, data []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	meta, err := filemeta.Read(name)
	if err != nil {
		return err
	}
	meta.ModTime = time.Now()
	pending, err := renameio.NewPendingFile(name)
	if err != nil {
		return err
	}
	defer func() { _ = pending.Cleanup() }()
	if _, err := pending.Write(data); err != nil {
		return err
	}
	lost, err := filemeta.Apply(pending.File, meta)
	if err != nil {
		return err
	}
	if lost != 0 {
		// Written in place it stays whose it is.
		return os.WriteFile(name, data, meta.Mode.Perm())
	}
	return pending.CloseAtomicallyReplace()
}

// writeByRename makes a file, or replaces one at once, with this mode whatever the
// umask is. What is not complete lies beside it.
func writeByRename(name string, data []byte, mode fs.FileMode) error {
	return renameio.WriteFile(name, data, mode, renameio.WithTempDir(filepath.Dir(name)), renameio.WithStaticPermissions(mode))
}
