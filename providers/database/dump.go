package database

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bkp/internal/problem"
)

// CheckDump refuses a dump with anything but files and folders in it. The
// tools that read one follow symbolic links, which may lead to any file that
// root may read, and wait for a FIFO for ever.
func CheckDump(tree string) error {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !e.Type().IsRegular() {
			err = problem.New("unexpected file type in the dump", fmt.Sprintf("%s is of type %s", filepath.Join(tree, name), e.Type()),
				"do not rely on this backup: find out who can write to the archive")
		}
		return err
	})
}
