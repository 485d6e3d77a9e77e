package treesync

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"bkp/providers"
)

// Look walks a tree, without reading a file, and returns how large it is and
// what in it cannot be read. It changes nothing. What vanishes meanwhile does
// not count.
func Look(ctx context.Context, root string, exclude Exclude, workers int) (Survey, error) {
	src, err := os.Open(root)
	if err != nil {
		return Survey{}, err
	}
	l := looker{root: root, exclude: exclude, asker: newAsker(time.Now), now: time.Now().UTC()}
	err = l.walk(ctx, src, workers)
	slices.Sort(l.sum.Mounts)
	for i := range l.scratch {
		l.sum.Recent = l.sum.Recent.Plus(l.scratch[i].recent)
	}
	return l.sum, err
}

type looker struct {
	root    string
	exclude Exclude
	// fresh asks the machine on which a file lies, and the kernel of this one for none.
	fresh bool
	asker asker
	// now is from when the ages of files count; zero if nobody asks for them.
	now time.Time
	// scratch is what each worker has for itself, from folder to folder.
	scratch [farRequests]struct {
		listing listing
		looked  []looked
		recent  *providers.Recency
	}
	mu  sync.Mutex
	sum Survey
	// unasked is why the machine of a file did not answer, the first time that one
	// did not.
	unasked error
}

// walk looks at the tree below an open folder, and closes that.
func (l *looker) walk(ctx context.Context, src *os.File, workers int) error {
	f := &folder{src: src, srcN: int(src.Fd())}
	f.refs.Store(1)
	f.settle()
	var err error
	if f.meta, err = l.stat(f, "."); err != nil {
		f.release()
		return err
	}
	pending, err := run(ctx, min(max(workers, 1), farRequests), []*folder{f}, func(p *pool[*folder], n int, f *folder) error {
		return l.visit(ctx, p, n, f)
	})
	for _, f := range pending {
		f.release()
	}
	return err
}

// stat looks at an entry. What the kernel remembers is good enough for a plan.
func (l *looker) stat(f *folder, name string) (entry, error) {
	if l.fresh {
		return f.stat(name)
	}
	return statEntry(f.srcN, name)
}

func (l *looker) visit(ctx context.Context, p *pool[*folder], n int, f *folder) error {
	defer f.release()
	var names []string
	var err error
	if f.src == nil {
		err = f.openSource()
	}
	scratch := &l.scratch[n]
	if scratch.recent == nil && !l.now.IsZero() {
		scratch.recent = &providers.Recency{At: l.now}
	}
	if err == nil {
		names, err = scratch.listing.read(f.srcN)
	}
	if err != nil {
		l.failed(f.rel, err)
		return nil
	}
	if f.far {
		p.grow(farRequests)
		scratch.looked = l.asker.all(ctx, scratch.looked, names, func(name string) (entry, error) { return l.stat(f, name) })
	}
	var skip func(string, bool) bool
	if l.exclude != nil {
		skip = l.exclude(f.rel)
	}
	var files, folders, bytes int64
	for i, name := range names {
		e, err := l.seen(f, scratch.looked, i, name)
		switch {
		case err != nil:
			l.failed(f.path(name), err)
		case skip != nil && skip(name, e.isDir()), e.isSocket():
		case e.isDir():
			folders++
			l.mount(f, &e)
			child := &folder{parent: f.retain(), name: name, rel: f.path(name), meta: e}
			child.refs.Store(1)
			p.push(child)
		default:
			files++
			bytes += e.weight()
			if scratch.recent != nil {
				scratch.recent.Add(time.Unix(e.ctime, e.ctimeNano), e.weight())
			}
			l.readable(f, &e)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum.Files += files
	l.sum.Folders += folders
	l.sum.Bytes += bytes
	return nil
}

func (l *looker) seen(f *folder, looked []looked, i int, name string) (entry, error) {
	if f.far {
		return looked[i].entry, looked[i].err
	}
	return l.stat(f, name)
}

func (l *looker) mount(f *folder, e *entry) {
	if e.dev == f.meta.dev {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum.Mounts = append(l.sum.Mounts, filepath.Join(l.root, f.path(e.name)))
}

// readable asks the system only where the mode is not conclusive.
func (l *looker) readable(f *folder, e *entry) {
	if l.fresh || !e.isRegular() || e.mode&0o444 == 0o444 {
		return // who reads the file next finds out
	}
	if err := readableAt(f.srcN, e.name); err != nil {
		l.failed(f.path(e.name), err)
	}
}

func (l *looker) failed(rel string, err error) {
	if gone(err) && !errors.Is(err, fs.ErrPermission) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	path := filepath.Join(l.root, rel)
	if l.unasked == nil && !errors.Is(err, fs.ErrPermission) {
		l.unasked = unreadable(path, err)
	}
	l.sum.unreadable(path)
}
