package home

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

// A capture may hold lock files of git commands that were waiting or dead. In
// a restored home nobody owns them, and each would block its repository.
var (
	lockOwners  = []string{"HEAD", "config", "index", "gc", "packed-refs", "stash-packed-refs"}
	lockFolders = []string{"refs", "stash-refs", "logs"}
)

// RemoveStaleLocks removes them from the repositories of a home or of a data
// store at dir, and from nowhere else: below objects a name ending in .lock is
// content. It returns how many it removed, and never follows a symbolic link.
func RemoveStaleLocks(ctx context.Context, dir string) (int, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer func() { _ = root.Close() }()
	return removeStaleLocks(ctx, root)
}

func removeStaleLocks(ctx context.Context, root *os.Root) (int, error) {
	removed := 0
	for _, where := range []struct {
		folder string
		depth  int
	}{{"shared/data/repositories", 1}, {"repositories", 3}} {
		err := repositories(ctx, root, where.folder, where.depth, func(repo string) error {
			n, err := removeLocks(root, repo)
			removed += n
			return err
		})
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// repositories visits the folders depth levels below folder.
func repositories(ctx context.Context, root *os.Root, folder string, depth int, visit func(string) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if depth == 0 {
		return visit(folder)
	}
	entries, err := readDir(root, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := repositories(ctx, root, path.Join(folder, e.Name()), depth-1, visit); err != nil {
			return err
		}
	}
	return nil
}

func removeLocks(root *os.Root, repo string) (int, error) {
	removed := 0
	remove := func(name string) error {
		err := root.Remove(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			removed++
		}
		return err
	}
	for _, owner := range lockOwners {
		for _, suffix := range []string{".pid", ".lock"} {
			if err := remove(path.Join(repo, owner+suffix)); err != nil {
				return removed, err
			}
		}
	}
	for _, folder := range lockFolders {
		top := path.Join(repo, folder)
		// A folder that is a link leads to another repository, which has its own turn.
		if fi, err := root.Lstat(top); err != nil || !fi.IsDir() {
			continue
		}
		if err := locksBelow(root, top, remove); err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func locksBelow(root *os.Root, dir string, remove func(string) error) error {
	entries, err := readDir(root, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = locksBelow(root, name, remove)
		case strings.HasSuffix(name, ".lock"):
			err = remove(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readDir takes names as they are; root.FS would refuse those that are not
// UTF-8, and git's are not always.
func readDir(root *os.Root, dir string) ([]fs.DirEntry, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return f.ReadDir(-1)
}
