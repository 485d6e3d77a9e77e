package folder

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"bkp/internal/problem"
	"bkp/providers/archive/place"
)

// Create implements place.Place: it writes beside the object, and renames once all
// is safe on disk.
func (f *Folder) Create(ctx context.Context, name string, write func(io.Writer) error) error {
	if err := place.CheckName(name); err != nil {
		return err
	}
	path := f.At(name)
	if err := f.makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return exists(path)
	}
	partial := partialPath(path)
	file, err := os.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return unfinishedAt(partial, err) // it is being written, or that was interrupted
	}
	if err != nil {
		return cannotWrite(err)
	}
	err = write(&writer{ctx, file})
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(partial)) // what is torn never gets the name
	}
	if err := renameNew(partial, path); err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		// Whether it is safe on disk nobody knows: it counts as not made.
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// makeDir makes the folder of a backup, and the place itself.
func (f *Folder) makeDir(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return noDir(dir, info.Mode())
	case !errors.Is(err, fs.ErrNotExist):
		return cannotWrite(err)
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return cannotWrite(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return cannotWrite(err)
	}
	return syncFolder(f.dir)
}

func cannotWrite(err error) error { return problem.Wrap(err, notWritable, letWrite) }

func exists(path string) error {
	return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
}

// renameIfAbsent is for systems that cannot do it at once. Nobody else makes the
// objects of a backup whose id is claimed.
func renameIfAbsent(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return exists(to)
	}
	return os.Rename(from, to)
}

// writer writes until its context ends.
type writer struct {
	ctx context.Context //nolint:containedctx // that of Create, while it writes
	w   io.Writer
}

func (w *writer) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.w.Write(p)
}
