// Package target is the folder that a part of a backup is unpacked into.
//
// It leaves out what goes there.
package target

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"bkp/internal/problem"
)

// Open opens a folder that is empty, and no symbolic link to one: those
// who may write above it could have put that there meanwhile. The caller closes it.
func Open(folder string) (*os.Root, error) {
	info, err := os.Lstat(folder)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(info, opened) {
		err = problem.New("folder is a symbolic link", folder, "choose another folder")
	}
	var entries []fs.DirEntry
	if err == nil {
		entries, err = fs.ReadDir(root.FS(), ".")
	}
	if len(entries) > 0 {
		err = problem.New("folder is not empty", fmt.Sprintf("%s holds %s", folder, entries[0].Name()), "choose an empty folder")
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// Empty removes all that is in a folder, and ends soon after its context does. What
// cannot be removed does not keep it from the rest; the first error is returned.
// Folders that were read-only when they were archived are so again, and then nothing
// in them can be removed.
func Empty(ctx context.Context, root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	entries, failed := dir.ReadDir(-1) // root.FS would refuse names that are not UTF-8
	first := func(err error) {
		if failed == nil {
			failed = err
		}
	}
	first(dir.Close())
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if e.IsDir() {
			first(emptyBelow(ctx, root, e.Name()))
		}
		if ctx.Err() == nil {
			first(root.Remove(e.Name()))
		}
	}
	return failed
}

func emptyBelow(ctx context.Context, root *os.Root, name string) error {
	if err := root.Chmod(name, 0o700); err != nil {
		return err
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	return errors.Join(Empty(ctx, sub), sub.Close())
}
