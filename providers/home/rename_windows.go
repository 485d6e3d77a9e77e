package home

import (
	"os"
	"path/filepath"
)

// rename moves a part to another place.
func (p part) rename(to part) error {
	return os.Rename(filepath.Join(p.in.Name(), filepath.FromSlash(p.name)), filepath.Join(to.in.Name(), to.name))
}
