// Package leftover keeps records of what a command makes for a while, such as a
// folder beside its target: on disk before that is made, so that a later process
// can remove what one left that was killed.
//
// It leaves out what stands in a record, whether what it names may be removed,
// and who is alone with it: restore and drill know.
package leftover

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"bkp/internal/host"
	"bkp/internal/problem"
)

// partial ends the name of a record that is being written. It is always the
// same: being killed leaves nothing that adds up.
const partial = ".partial"

// maxRecord bounds what is read of a record, in bytes.
const maxRecord = 16 << 20

// Save writes a record, as JSON, in place of an earlier one. When it returns
// without an error the record is safe on disk.
func Save(path string, record any) error {
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := host.SyncDir(filepath.Dir(path)); err != nil {
		return errors.Join(err, os.Remove(path)) // nothing that it names is made now
	}
	return nil
}

// Exists reports whether there is a record, or the beginning of one.
func Exists(path string) bool {
	for _, name := range []string{path, path + partial} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// Load reads a record, and removes one that was not written to its end: what it
// would have named was never made. It reports whether there is one.
func Load(path string, record any) (found bool, err error) {
	if err := os.Remove(path + partial); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	data, err := host.ReadRegular(path, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, record); err != nil {
		return false, problem.Wrapf(err, "record of what is to be removed cannot be read", "look for what it names, remove that by hand, then this file", "%s", path)
	}
	return true, nil
}

// Remove removes a folder with folders in it that are closed to writing, as a
// backup may hold them. Links are not followed; what is not there is no error.
func Remove(name string) error {
	if err := os.RemoveAll(name); err == nil {
		return nil
	}
	root, err := os.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_ = root.Chmod(".", 0o700)
	openAll(root, ".")
	return errors.Join(root.Close(), os.RemoveAll(name))
}

// openAll opens folders to writing. Their removal shows whether that sufficed.
// root.FS would refuse names that are not UTF-8.
func openAll(root *os.Root, name string) {
	dir, err := root.Open(name)
	if err != nil {
		return
	}
	entries, _ := dir.ReadDir(-1)
	_ = dir.Close()
	for _, e := range entries {
		if child := path.Join(name, e.Name()); e.IsDir() {
			_ = root.Chmod(child, 0o700)
			openAll(root, child)
		}
	}
}
