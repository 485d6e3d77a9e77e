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
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/compare"
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
	// tick is the longest that two changes of a file may follow each other and
	// have the same time: a file that young is looked at once more before it is
	// read.
	tick = 20 * time.Millisecond

	treeChanged = "file changed while it was archived"
	treeRemedy  = "let nothing write below the working copy, and run the backup again"
)

// holder is a folder of the tree, open while something in it is still to be
// read. Entries are opened by their last name in it: paths may be longer than
// the system takes at once.
type holder struct {
	root *os.Root
	refs atomic.Int32
}

func (f *holder) retain() *holder { f.refs.Add(1); return f }

func (f *holder) release() {
	if f.refs.Add(-1) == 0 {
		_ = f.root.Close()
	}
}

// item is one entry of a tree.
type item struct {
	// name in the tree with slashes; "" is the root.
	name string
	// in is the folder that holds it, base its name there.
	in   *holder
	base string
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
	// want is what the record says of it, nil if nothing.
	want *providers.Recorded
	// fault is asked before each reading, nil for nothing. For tests.
	fault func(name string) error
}

func newItem(in *holder, name, base string, kind fs.FileMode) *item {
	return &item{name: name, in: in.retain(), base: base, kind: kind, ready: make(chan struct{})}
}

// path is for messages.
func (it *item) path() string { return filepath.Join(it.in.root.Name(), it.base) }

// reading is a tree to read and what it should hold.
type reading struct {
	tree    string
	hidden  func(rel string) func(name string, dir bool) bool
	compare *compare.Comparison
	fault   func(name string) error
}

// walk calls visit for the tree's entries, each folder before what it holds,
// its entries sorted by name. What is hidden is left out, and so are sockets:
// they mean nothing without the process that listens.
func walk(ctx context.Context, r reading, visit func(*item) error) error {
	tree, err := filepath.EvalSymlinks(r.tree)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan *item, ahead)
	order := make(chan *item, ahead)
	g.Go(func() error {
		defer close(order)
		defer close(work)
		return r.list(tree, func(it *item) error {
			it.fault = r.fault
			select {
			case order <- it:
			case <-ctx.Done():
				it.in.release() // nobody will come to it
				return context.Cause(ctx)
			}
			select {
			case work <- it:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
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
			if err := it.wait(ctx, r.compare, visit); err != nil {
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

// wait visits the item once it is read, and lets its folder go.
func (it *item) wait(ctx context.Context, c *compare.Comparison, visit func(*item) error) error {
	defer it.in.release()
	select {
	case <-it.ready:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if it.err != nil {
		return c.Fails(it.name, it.err)
	}
	return visit(it)
}

// list emits the tree's entries in order.
func (r reading) list(tree string, emit func(*item) error) error {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	top := &holder{root: root}
	return r.listFolder(top.retain(), "", nil, emit)
}

// listFolder emits a folder and what it holds, and lets the folder go. What is
// there is compared with what is recorded.
func (r reading) listFolder(f *holder, name string, want *providers.Recorded, emit func(*item) error) error {
	defer f.release()
	it := newItem(f, name, ".", fs.ModeDir)
	it.want = want
	if err := emit(it); err != nil {
		return err
	}
	entries, err := readDir(f.root)
	if err != nil {
		return r.compare.FailsIn(name, name, err)
	}
	recorded := r.compare.Folder(name)
	hidden := r.hidden(name)
	for _, e := range entries {
		if hidden != nil && hidden(e.Name(), e.IsDir()) {
			continue
		}
		if err := r.listEntry(f, path.Join(name, e.Name()), e, recorded, emit); err != nil {
			return err
		}
	}
	recorded.End()
	return nil
}

func (r reading) listEntry(f *holder, child string, e fs.DirEntry, recorded *compare.Folder, emit func(*item) error) error {
	if e.Type()&fs.ModeSocket != 0 {
		return nil
	}
	want := recorded.Next(e.Name(), e.Type())
	if !e.IsDir() {
		it := newItem(f, child, e.Name(), e.Type())
		it.want = want
		return emit(it)
	}
	root, err := f.root.OpenRoot(e.Name())
	if err != nil {
		return r.compare.Fails(child, vanished(filepath.Join(f.root.Name(), e.Name()), err))
	}
	sub := &holder{root: root}
	return r.listFolder(sub.retain(), child, want, emit)
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

// read fetches what the header needs, and a small file's content.
func (it *item) read() error {
	switch {
	case it.kind.IsRegular():
		return it.readFile()
	case it.kind.IsDir():
		return it.readFolder()
	}
	fi, err := it.in.root.Lstat(it.base)
	if err != nil {
		return vanished(it.path(), err)
	}
	if fi.Mode().Type() != it.kind {
		return changed(it.path(), "it is something else now")
	}
	it.meta = filemeta.FromInfo(fi)
	if it.kind&fs.ModeSymlink != 0 {
		it.link, err = it.in.root.Readlink(it.base)
	}
	return vanished(it.path(), err)
}

// open opens a file that was there a moment ago.
func (it *item) open() (*os.File, error) {
	if it.fault != nil {
		if err := it.fault(it.name); err != nil {
			return nil, err
		}
	}
	f, err := it.in.root.Open(it.base)
	return f, vanished(it.path(), err)
}

func (it *item) readFolder() error {
	dir, err := it.in.root.Open(it.base)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	it.meta, err = filemeta.ReadFile(dir)
	return err
}

func (it *item) readFile() error {
	f, err := it.open()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if it.meta, err = filemeta.ReadFile(f); err != nil {
		return err
	}
	if !it.meta.Mode.IsRegular() {
		return changed(it.path(), "it is no regular file any more")
	}
	if age := time.Since(it.meta.ChangeTime); age >= 0 && age < tick {
		time.Sleep(tick - age)
		if err := it.still(f); err != nil {
			return err
		}
	}
	if it.meta.Size > smallFile {
		it.holes, err = holes(f, it.meta)
		return err
	}
	return it.content(f)
}

// content reads a small file, which is to be what it was when meta was read.
func (it *item) content(f *os.File) error {
	// One byte more than there should be betrays a file that grows.
	buf := make([]byte, it.meta.Size+1)
	n, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if int64(n) != it.meta.Size {
		return changed(it.path(), fmt.Sprintf("it had %d bytes", it.meta.Size))
	}
	it.data = buf[:n]
	return it.still(f)
}

// still refuses a file that is not what it was when it was looked at: what was
// read of it may be of two states. The change time betrays also who sets the
// others back.
func (it *item) still(f *os.File) error {
	now, err := filemeta.StatFile(f)
	if err != nil {
		return err
	}
	switch {
	case now.ID != it.meta.ID:
		return changed(it.path(), "another file took its place")
	case now.Size != it.meta.Size || !now.ModTime.Equal(it.meta.ModTime) || !now.ChangeTime.Equal(it.meta.ChangeTime):
		return changed(it.path(), "it was written to")
	}
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
	f, err := it.open()
	if err != nil {
		return &readError{err}
	}
	defer func() { _ = f.Close() }()
	n, err := io.CopyN(w, liveFile{f}, it.meta.Size)
	if errors.Is(err, io.EOF) {
		return changed(it.path(), fmt.Sprintf("it had %d bytes and has %d", it.meta.Size, n))
	}
	if err != nil {
		return err
	}
	return it.still(f)
}

// summed is copyTo, and returns the digest; 0 without a record to hold it against.
func (it *item) summed(c *compare.Comparison, w io.Writer) (uint64, error) {
	if c == nil {
		return 0, it.copyTo(w)
	}
	s := providers.NewSummer()
	err := it.copyTo(io.MultiWriter(w, s))
	return s.Sum64(), err
}

// readError is an error of the tree's disk, and not of the archive's.
type readError struct{ error }

// Unwrap returns the cause.
func (e *readError) Unwrap() error { return e.error }

// liveFile is a file of the tree; its errors are readErrors.
type liveFile struct{ f *os.File }

func (c liveFile) Read(b []byte) (int, error) {
	n, err := c.f.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &readError{err}
	}
	return n, err
}

func changed(path, what string) error {
	return problem.New(treeChanged, path+": "+what, treeRemedy)
}

// vanished is about an entry that was there a moment ago.
func vanished(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return problem.Wrap(fmt.Errorf("%s: %w", path, compare.ErrVanished), treeChanged, treeRemedy)
	}
	return err
}
