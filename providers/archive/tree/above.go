package tree

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"bkp/internal/filemeta"
)

// above makes the folders above the trees of an artifact, which exist in the archive
// alone.
type above struct {
	to    *os.Root
	made  time.Time // the time that they get
	add   func(entry) error
	all   []string
	inner []string // the place that was entered last
}

// enter returns the folder of a place, which the caller closes. Places come in order.
func (f *above) enter(place string) (*os.Root, error) {
	if place == "" {
		return f.to.OpenRoot(".")
	}
	parts := append([]string{""}, strings.Split(place, "/")...)
	same := 0
	for same < len(f.inner)-1 && same < len(parts)-1 && f.inner[same] == parts[same] {
		same++
	}
	for i := same; i < len(parts)-1; i++ {
		name := path.Join(parts[:i+1]...)
		if name != "" {
			if err := f.to.Mkdir(name, 0o700); err != nil {
				return nil, err
			}
		}
		f.all = append(f.all, name)
		if err := f.add(entry{name: name, meta: f.meta()}); err != nil {
			return nil, err
		}
	}
	f.inner = parts
	return makeFolder(f.to, place)
}

func (f *above) meta() filemeta.Meta {
	return filemeta.Meta{Mode: fs.ModeDir | 0o700, UID: uint32(max(os.Geteuid(), 0)), GID: uint32(max(os.Getegid(), 0)), HasOwner: true, ModTime: f.made}
}

// end gives the folders their times, the inner ones first.
func (f *above) end() error {
	for i := len(f.all) - 1; i >= 0; i-- {
		dir, err := f.to.Open(path.Join(".", f.all[i]))
		if err != nil {
			return err
		}
		_, err = filemeta.Apply(dir, f.meta())
		if err := errors.Join(err, dir.Close()); err != nil {
			return err
		}
	}
	return nil
}

// below is the entry of a tree that lies at a place.
func (e entry) below(place string) entry {
	if place == "" {
		return e
	}
	e.name = path.Join(place, e.name)
	if e.first != "" {
		e.first = path.Join(place, e.first)
	}
	return e
}
