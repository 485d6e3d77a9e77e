package tar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
)

const (
	// smallFile is up to which size files are read ahead, several at a time.
	smallFile = 128 << 10
	// ahead is how many entries are read ahead. Together with smallFile it
	// bounds the memory to 16 MiB.
	ahead = 128
	// readers is how many entries are read at a time: most of the time a
	// reader waits for the disk.
	readers = 8

	treeChanged = "file changed while it was archived"
	treeRemedy  = "let nothing write below the working copy, and run the backup again"
)

// item is one entry of a tree.
type item struct {
	// name in the tree with slashes; "" is the root.
	name string
	path string
	kind fs.FileMode

	// ready is closed when what follows is set.
	ready chan struct{}
	err   error
	meta  filemeta.Meta
	// link is a symbolic link's target; data is a small file's content; holes
	// are how many bytes of a large one are holes.
	link  string
	data  []byte
	holes int64
}

// walk calls visit for the tree's entries, each folder before what it holds,
// its entries sorted by name. Sockets are left out: they mean nothing without
// the process that listens.
func walk(ctx context.Context, tree string, visit func(*item) error) error {
	tree, err := filepath.EvalSymlinks(tree)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan *item, ahead)
	order := make(chan *item, ahead)
	g.Go(func() error {
		defer close(order)
		defer close(work)
		return list(tree, func(it *item) error {
			for _, queue := range []chan<- *item{order, work} {
				select {
				case queue <- it:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return nil
		})
	})
	for range readers {
		g.Go(func() error {
			for it := range work {
				it.err = it.read()
				close(it.ready)
			}
			return nil
		})
	}
	g.Go(func() error {
		for it := range order {
			select {
			case <-it.ready:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if it.err != nil {
				return it.err
			}
			if err := visit(it); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// list emits the tree's entries in order.
func list(tree string, emit func(*item) error) error {
	var folder func(it *item) error
	folder = func(it *item) error {
		if err := emit(it); err != nil {
			return err
		}
		entries, err := os.ReadDir(it.path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			child := &item{
				name: path.Join(it.name, e.Name()), path: filepath.Join(it.path, e.Name()),
				kind: e.Type(), ready: make(chan struct{}),
			}
			switch {
			case e.IsDir():
				err = folder(child)
			case e.Type()&fs.ModeSocket == 0:
				err = emit(child)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return folder(&item{path: tree, kind: fs.ModeDir, ready: make(chan struct{})})
}

// read fetches what the header needs, and a small file's content.
func (it *item) read() error {
	var err error
	if !it.kind.IsRegular() {
		if it.meta, err = filemeta.Read(it.path); err == nil && it.kind&fs.ModeSymlink != 0 {
			it.link, err = os.Readlink(it.path)
		}
		return err
	}
	f, err := os.Open(it.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if it.meta, err = filemeta.ReadFile(f); err != nil {
		return err
	}
	if !it.meta.Mode.IsRegular() {
		return changed(it.path, "it is no regular file any more")
	}
	if it.meta.Size > smallFile {
		it.holes, err = holes(f, it.meta)
		return err
	}
	// One byte more than there should be betrays a file that grows.
	buf := make([]byte, it.meta.Size+1)
	n, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if int64(n) != it.meta.Size {
		return changed(it.path, fmt.Sprintf("it had %d bytes", it.meta.Size))
	}
	it.data = buf[:n]
	return nil
}

// holes looks only where there may be some. A file system that compresses has
// less than the size without any.
func holes(f *os.File, m filemeta.Meta) (int64, error) {
	if m.Allocated >= m.Size {
		return 0, nil
	}
	ranges, err := filemeta.DataRanges(f, m.Size)
	left := m.Size
	for _, r := range ranges {
		left -= r.Length
	}
	return left, err
}

// copyTo writes the content of a regular file.
func (it *item) copyTo(w io.Writer) error {
	if it.meta.Size <= smallFile {
		_, err := w.Write(it.data)
		return err
	}
	f, err := os.Open(it.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	n, err := io.CopyN(w, f, it.meta.Size)
	if errors.Is(err, io.EOF) {
		return changed(it.path, fmt.Sprintf("it had %d bytes and has %d", it.meta.Size, n))
	}
	if err != nil {
		return err
	}
	if n, err := f.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return changed(it.path, fmt.Sprintf("it had %d bytes and has more", it.meta.Size))
	}
	return nil
}

func changed(path, what string) error {
	return problem.New(treeChanged, path+": "+what, treeRemedy)
}
