package stage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Make makes an empty folder, into which a copy is unpacked, and returns those above it
// that it had to make, each before those in it: they have the mode above. What an
// earlier restore that was killed left of its name is removed.
func Make(dir string, above fs.FileMode) (made []string, err error) {
	if made, err = makeAbove(filepath.Dir(dir), above); err != nil {
		return made, err
	}
	parent, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return made, err
	}
	defer func() { _ = parent.Close() }()
	name := filepath.Base(dir)
	if err := parent.RemoveAll(name); err != nil {
		return made, err
	}
	return made, parent.Mkdir(name, 0o700)
}

func makeAbove(dir string, mode fs.FileMode) (made []string, err error) {
	err = os.Mkdir(dir, mode)
	if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		if made, err = makeAbove(filepath.Dir(dir), mode); err != nil {
			return made, err
		}
		err = os.Mkdir(dir, mode)
	}
	if errors.Is(err, fs.ErrExist) {
		return made, nil
	}
	if err != nil {
		return made, err
	}
	return append(made, dir), os.Chmod(dir, mode) // whatever the umask is
}

// missing are the folders of a path that are not there, the highest first.
func missing(dir string) []string {
	var out []string
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		out = append(out, dir)
	}
	slices.Reverse(out)
	return out
}
