package tree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"bkp/internal/filemeta"
	"bkp/providers"
	"bkp/providers/archive/internal/compare"
	"bkp/providers/archive/internal/shelf"
)

const (
	// ahead is how many entries may wait for their turn. Each holds its folder open.
	ahead = 128
	// readers is how many files are read at a time: most of the time one waits for
	// the disk.
	readers = 8
)

// reading is a tree to read, and where it is to be made again.
type reading struct {
	from string
	// to is the folder that becomes the tree, nil if it is only read. It is empty.
	to *os.Root
	// copies is set if content may be copied where its blocks cannot be shared.
	copies bool
	// hidden leaves out entries; nil for none.
	hidden  func(rel string) func(name string, dir bool) bool
	compare *compare.Comparison
	// lose gets what could not be kept of an entry, and what is left out.
	lose func(name string, l filemeta.Loss)
	// skipDevices leaves out devices where the tree is made.
	skipDevices bool
	done        *shelf.Progress
	// fault is asked before each file is read, nil for nothing. For tests.
	fault func(name string) error
}

// branch is one folder of the tree, open while something in it is still to be done.
type branch struct {
	src, dst *os.Root // dst is nil if nothing is made
	refs     atomic.Int32
}

func (f *branch) retain() *branch { f.refs.Add(1); return f }

func (f *branch) release() {
	if f.refs.Add(-1) == 0 {
		_ = f.src.Close()
		if f.dst != nil {
			_ = f.dst.Close()
		}
	}
}

// item is one entry of a tree, or with left the end of a folder.
type item struct {
	in   *branch
	base string // "." for the folder itself
	want *providers.Recorded
	left *item // the folder that ends
	seen fs.FileInfo
	// first is the item of the file's other name that came first.
	first *item

	// ready is closed when what follows is set.
	ready chan struct{}
	err   error
	entry
	sum64 uint64 // the digest that a record has
	holes int64
}

// path is for messages.
func (it *item) path() string { return filepath.Join(it.in.src.Name(), it.base) }

// walk makes the tree again, if it is to, and calls visit for its entries, each folder
// before what it holds, the entries of each sorted by name. Sockets are left out: they
// mean nothing without the process that listens. What a damaged disk does not read is
// left to the comparison.
func (r *reading) walk(ctx context.Context, visit func(*item) error) error {
	from, err := filepath.EvalSymlinks(r.from)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	work, order := make(chan *item, ahead), make(chan *item, ahead)
	g.Go(func() error {
		defer close(order)
		defer close(work)
		l := &lister{reading: r, links: map[filemeta.ID]*item{}, emit: func(it *item) error {
			for _, to := range []chan *item{order, work} {
				select {
				case to <- it:
				case <-ctx.Done():
					if to == order {
						it.in.release() // nobody will come to it
					}
					return context.Cause(ctx)
				}
			}
			return nil
		}}
		return l.list(from)
	})
	for range readers {
		g.Go(func() error {
			for it := range work {
				it.err = r.read(ctx, it)
				close(it.ready)
			}
			return nil
		})
	}
	g.Go(func() error {
		for it := range order {
			if err := r.finish(ctx, it, visit); err != nil {
				return err
			}
		}
		return nil
	})
	err = g.Wait()
	for it := range order {
		it.in.release()
	}
	return err
}

// lister finds the entries of a tree in their order, and makes its folders.
type lister struct {
	*reading
	emit  func(*item) error
	links map[filemeta.ID]*item // files of several names, by the first
}

func (l *lister) list(from string) error {
	src, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	f := &branch{src: src}
	if l.to != nil {
		if f.dst, err = l.to.OpenRoot("."); err != nil {
			return errors.Join(err, src.Close())
		}
	}
	return l.folder(f.retain(), "", nil)
}

func (l *lister) item(in *branch, name, base string) *item {
	return &item{in: in.retain(), base: base, ready: make(chan struct{}), entry: entry{name: name}}
}

// folder emits a folder, what it holds and its end, and lets it go.
func (l *lister) folder(f *branch, name string, want *providers.Recorded) error {
	defer f.release()
	it := l.item(f, name, ".")
	it.want = want
	if err := l.emit(it); err != nil {
		return err
	}
	entries, err := readDir(f.src)
	if err != nil {
		return l.compare.FailsIn(name, name, err)
	}
	recorded := l.compare.Folder(name)
	var hides func(string, bool) bool
	if l.hidden != nil {
		hides = l.hidden(name)
	}
	for _, e := range entries {
		if hides != nil && hides(e.Name(), e.IsDir()) || e.Type()&fs.ModeSocket != 0 {
			continue
		}
		child := path.Join(name, e.Name())
		if err := l.child(f, child, e, recorded.Next(e.Name(), e.Type())); err != nil {
			return err
		}
	}
	recorded.End()
	end := l.item(f, name, ".")
	end.left = it
	return l.emit(end)
}

func (l *lister) child(f *branch, name string, e fs.DirEntry, want *providers.Recorded) error {
	if !e.IsDir() {
		seen, err := f.src.Lstat(e.Name())
		if err != nil {
			return l.fails(f, name, e, err)
		}
		it := l.item(f, name, e.Name())
		it.want, it.seen = want, seen
		if m := filemeta.FromInfo(seen); m.Mode.IsRegular() && m.Links > 1 {
			if it.first = l.links[m.ID]; it.first == nil {
				l.links[m.ID] = it
			}
		}
		return l.emit(it)
	}
	sub := &branch{}
	var err error
	if sub.src, err = f.src.OpenRoot(e.Name()); err != nil {
		return l.fails(f, name, e, err)
	}
	if f.dst != nil {
		if sub.dst, err = makeFolder(f.dst, e.Name()); err != nil {
			return errors.Join(&madeError{err}, sub.src.Close())
		}
	}
	return l.folder(sub.retain(), name, want)
}

func (l *lister) fails(f *branch, name string, e fs.DirEntry, err error) error {
	return l.compare.Fails(name, vanished(filepath.Join(f.src.Name(), e.Name()), err))
}

func makeFolder(in *os.Root, name string) (*os.Root, error) {
	if err := in.Mkdir(name, 0o700); err != nil {
		return nil, err
	}
	return in.OpenRoot(name)
}

// readDir reads a folder's entries, sorted by name.
func readDir(root *os.Root) ([]fs.DirEntry, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	entries, err := dir.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// finish visits the item once it is read, ends folders, makes names of files that have
// another one, and lets its folder go.
func (r *reading) finish(ctx context.Context, it *item, visit func(*item) error) error {
	defer it.in.release()
	select {
	case <-it.ready:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	switch {
	case it.err != nil:
		var made *madeError
		if errors.As(it.err, &made) {
			return it.err
		}
		return r.compare.Fails(it.name, it.err)
	case it.left != nil:
		return r.leave(it)
	case it.first != nil:
		if err := r.link(it); err != nil {
			return err
		}
		r.compare.Hold(it.name, it.want, it.first.sum64)
	case it.meta.Mode.Type() == 0 || it.meta.Mode&fs.ModeSymlink != 0:
		r.compare.Hold(it.name, it.want, it.sum64)
	}
	r.done.Add(1, 0, true)
	return visit(it)
}

// leave gives a folder that was made what would be lost by making its entries, its
// times, or hinder it, its mode.
func (r *reading) leave(it *item) error {
	if isRead := it.left.err == nil; it.in.dst == nil || !isRead {
		return nil
	}
	dir, err := it.in.dst.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	lost, err := filemeta.Apply(dir, it.left.meta)
	r.lose(it.name, lost)
	return err
}

// link makes another name of a file that was made before.
func (r *reading) link(it *item) error {
	it.meta, it.entry.first = it.first.meta, it.first.name
	if isRead := it.first.err == nil; r.to == nil || !isRead {
		return nil // what was not read was noted then
	}
	return r.to.Link(it.first.name, it.name)
}
