package treesync

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// Clean removes what an interrupted pass left half made in the copy. The copy
// stays. Nothing left, no copy at all, is success.
func Clean(ctx context.Context, copyDir, indexPath string, workers int) error {
	if err := CleanIndex(indexPath); err != nil {
		return err
	}
	// A pass that came to its end, with an error or without, cleans up and
	// leaves an index.
	if _, err := os.Lstat(indexPath); err == nil {
		return nil
	}
	root, err := openFolderAt(here, copyDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f := &folder{src: root, srcN: int(root.Fd())}
	f.refs.Store(1)
	lists := make([]listing, max(workers, 1))
	pending, err := run(ctx, len(lists), []*folder{f}, func(p *pool[*folder], n int, f *folder) error {
		return cleanFolder(p, &lists[n], f)
	})
	for _, f := range pending {
		f.release()
	}
	return err
}

// CleanIndex removes what an interrupted pass had written of a new index. The index
// stays. Nothing left is success.
func CleanIndex(indexPath string) error {
	if err := os.Remove(indexPath + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func cleanFolder(p *pool[*folder], l *listing, f *folder) error {
	defer f.release()
	if f.src == nil {
		if err := f.openSource(); err != nil {
			return err
		}
	}
	names, err := l.read(f.srcN)
	if err != nil {
		return err
	}
	for _, name := range names {
		if isTemp(name) {
			if err := removeAt(f.srcN, name); err != nil {
				return err
			}
			continue
		}
		e, err := statEntry(f.srcN, name)
		if err != nil {
			return err
		}
		if e.isDir() {
			child := &folder{parent: f.retain(), name: name}
			child.refs.Store(1)
			p.push(child)
		}
	}
	return nil
}
