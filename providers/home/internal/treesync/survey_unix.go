//go:build unix

package treesync

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Look walks a tree, without reading a file, and returns how large it is and
// what in it cannot be read. It changes nothing. What vanishes meanwhile does
// not count.
func Look(ctx context.Context, root string, exclude Exclude, workers int) (Survey, error) {
	src, err := os.Open(root)
	if err != nil {
		return Survey{}, err
	}
	f := &folder{src: src, srcN: int(src.Fd())}
	f.refs.Store(1)
	if f.meta, err = statEntry(f.srcN, "."); err != nil {
		f.release()
		return Survey{}, err
	}
	l := looker{root: root, exclude: exclude, lists: make([]listing, max(workers, 1))}
	pending, err := run(ctx, len(l.lists), []*folder{f}, l.visit)
	for _, f := range pending {
		f.release()
	}
	slices.Sort(l.sum.Mounts)
	return l.sum, err
}

type looker struct {
	root    string
	exclude Exclude
	lists   []listing
	mu      sync.Mutex
	sum     Survey
}

func (l *looker) visit(p *pool[*folder], n int, f *folder) error {
	defer f.release()
	var names []string
	var err error
	if f.src == nil {
		err = f.openSource()
	}
	if err == nil {
		names, err = l.lists[n].read(f.srcN)
	}
	if err != nil {
		l.failed(f.rel, err)
		return nil
	}
	var skip func(string, bool) bool
	if l.exclude != nil {
		skip = l.exclude(f.rel)
	}
	var files, folders, bytes int64
	for _, name := range names {
		e, err := statEntry(f.srcN, name)
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
	if !e.isRegular() || e.mode&0o444 == 0o444 {
		return
	}
	if err := again(func() error { return unix.Faccessat(f.srcN, e.name, unix.R_OK, unix.AT_EACCESS) }); err != nil {
		l.failed(f.path(e.name), err)
	}
}

func (l *looker) failed(rel string, err error) {
	if gone(err) && !errors.Is(err, fs.ErrPermission) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum.unreadable(filepath.Join(l.root, rel))
}
