package tar

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"bkp/internal/filemeta"
	"bkp/providers/archive/internal/target"

	"bkp/providers/archive/internal/shelf"
)

// tree unpacks one artifact. Its entries come in order (see order), so that
// every entry is made by its last name in a folder that is open and that this
// process made: no name is ever resolved.
type tree struct {
	top    *os.Root
	open   []openFolder
	owners *owners
	done   *shelf.Progress
	buf    []byte
	lost   filemeta.Loss
	lostOf string
}

// openFolder is one that still gets entries. What would be lost by making them,
// its times, or hinder it, its mode, is set when it is left.
type openFolder struct {
	name string
	root *os.Root
	dir  *os.File
	meta filemeta.Meta
}

func (t *tree) entry(name string, h *tar.Header, r io.Reader) error {
	m := metaOf(h, t.owners)
	depth := 0
	if name != "" {
		depth = strings.Count(name, "/") + 1
	}
	if err := t.leave(depth); err != nil {
		return err
	}
	t.report(h)
	base := path.Base(name)
	switch h.Typeflag {
	case tar.TypeDir:
		return t.enter(name, m)
	case tar.TypeReg:
		return t.lose(name)(t.file(t.last().root, path.Base(name), m, r))
	case tar.TypeLink:
		return t.link(name, h.Linkname)
	case tar.TypeSymlink:
		if err := t.last().root.Symlink(h.Linkname, base); err != nil {
			return err
		}
	case tar.TypeFifo:
		if err := filemeta.MakeSpecialAt(t.last().dir, base, m); err != nil {
			return err
		}
	case tar.TypeBlock, tar.TypeChar:
		// A device leads out of the target as no path can: those who may write
		// to it write to a disk. Bitbucket has none.
		return t.lose(name)(filemeta.LostDevices, nil)
	default:
		return fmt.Errorf("its type %q is not known", h.Typeflag)
	}
	return t.lose(name)(filemeta.ApplyAt(t.last().dir, base, m))
}

func (t *tree) report(h *tar.Header) {
	var bytes int64
	if h.Typeflag == tar.TypeReg {
		bytes = h.Size
	}
	t.done.Add(1, bytes, true)
}

func (t *tree) last() openFolder { return t.open[len(t.open)-1] }

// enter makes a folder and opens it.
func (t *tree) enter(name string, m filemeta.Meta) error {
	if name == "" {
		return t.push("", t.top, m)
	}
	base := path.Base(name)
	parent := t.last().root
	if err := parent.Mkdir(base, 0o700); err != nil {
		return err
	}
	root, err := parent.OpenRoot(base)
	if err != nil {
		return err
	}
	return t.push(name, root, m)
}

func (t *tree) push(name string, root *os.Root, m filemeta.Meta) error {
	dir, err := root.Open(".")
	if err != nil {
		return errors.Join(err, root.Close())
	}
	t.open = append(t.open, openFolder{name, root, dir, m})
	return nil
}

// leave ends the folders below a depth.
func (t *tree) leave(depth int) error {
	for len(t.open) > depth {
		f := t.last()
		t.open = t.open[:len(t.open)-1]
		err := t.lose(f.name)(filemeta.Apply(f.dir, f.meta))
		err = errors.Join(err, f.dir.Close())
		if f.root != t.top {
			err = errors.Join(err, f.root.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file makes a file of a name in a folder.
func (t *tree) file(in *os.Root, name string, m filemeta.Meta, r io.Reader) (lost filemeta.Loss, err error) {
	f, err := in.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if t.buf == nil {
		t.buf = make([]byte, chunkSize)
	}
	if err := copySparse(f, r, m.Size, t.buf); err != nil {
		return 0, err
	}
	return filemeta.Apply(f, m)
}

// link makes a hard link to a file that was unpacked before.
func (t *tree) link(name, target string) error {
	for part := target; part != "."; part = path.Dir(part) {
		info, err := t.top.Lstat(part)
		if err != nil {
			return err
		}
		if want := part == target; want && !info.Mode().IsRegular() || !want && !info.IsDir() {
			return fmt.Errorf("it is a hard link to %q, which is no file of this artifact", target)
		}
	}
	return t.top.Link(target, name)
}

// lose notes what could not be kept.
func (t *tree) lose(name string) func(filemeta.Loss, error) error {
	return func(lost filemeta.Loss, err error) error {
		if lost&^t.lost != 0 {
			t.lost |= lost
			t.lostOf = path.Join(".", name)
		}
		return err
	}
}

func (t *tree) end() error {
	return t.leave(0)
}

// abandon removes what was unpacked, but not the folder it went into.
func (t *tree) abandon() error {
	for _, f := range t.open {
		_ = f.dir.Close()
		if f.root != t.top {
			_ = f.root.Close()
		}
	}
	err := target.Empty(context.Background(), t.top)
	return errors.Join(err, t.top.Close())
}
