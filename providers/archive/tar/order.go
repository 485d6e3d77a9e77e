package tar

import (
	"archive/tar"
	"errors"
	"fmt"
	"strings"

	"bkp/providers/archive/internal/document"
)

// order is where reading a tree has come to: the folders that are open, and
// the name read last in each.
type order struct {
	begun   bool
	folders []string // names of the open folders below the root
	last    []string // for the root and each of them, the last name read
}

// next reports whether an entry may follow: a valid name, in a folder that is
// open, behind all names of that folder so far.
func (o *order) next(name string, isDir bool) error {
	if name == "" {
		if o.begun || !isDir {
			return errors.New("it is out of order")
		}
		o.begun, o.last = true, []string{""}
		return nil
	}
	if !o.begun || !document.LocalName(name) {
		return errors.New("its name leads elsewhere")
	}
	parts := strings.Split(name, "/")
	parents, base := parts[:len(parts)-1], parts[len(parts)-1]
	if len(parents) > len(o.folders) {
		return errors.New("it is out of order: its folder is not there")
	}
	for i, p := range parents {
		if o.folders[i] != p {
			return errors.New("it is out of order: its folder is not there")
		}
	}
	depth := len(parents)
	if base <= o.last[depth] {
		return fmt.Errorf("it is out of order: it comes after %q", o.last[depth])
	}
	o.folders, o.last = o.folders[:depth], o.last[:depth+1]
	o.last[depth] = base
	if isDir {
		o.folders, o.last = append(o.folders, base), append(o.last, "")
	}
	return nil
}

// checkType refuses what this package never writes.
func checkType(h *tar.Header) error {
	if isDir := h.Typeflag == tar.TypeDir; isDir != strings.HasSuffix(h.Name, "/") {
		return errors.New("its type does not fit its name")
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir:
	case tar.TypeSymlink, tar.TypeLink:
		if h.Linkname == "" {
			return errors.New("it is a link to nothing")
		}
	case tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
	default:
		return fmt.Errorf("its type %q is not known", h.Typeflag)
	}
	if h.Typeflag != tar.TypeReg && h.Size != 0 {
		return errors.New("it has content, which its type cannot have")
	}
	return nil
}
