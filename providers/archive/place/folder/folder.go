// Package folder is a place in a folder of this machine:
//
//	<folder>/<id>/<object>             an object, mode 0600, in a folder of mode 0700
//	<folder>/<id>/.<object>.partial    one that is being written
//	<folder>/.<id>.reserved            whose the id is
//
// Nothing that is no regular file is ever read or followed: those who may write
// to the folder could lead it anywhere.
package folder

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/place"
)

const (
	notWritable = "archive destination is not writable"
	noFolder    = "archive destination is not a folder"
	notAFile    = "archive is not a file"
	notADir     = "backup is not a folder"
	unreadable  = "archive cannot be read"
	unfinished  = "archive is unfinished"

	letWrite = "let the user that runs bkp write there, or choose another destination"
	letRead  = "let the user that runs bkp read it"
	moveBack = "move the archive itself back; or move all of the backup to where it is, and add an archive block with that destination"
)

// Folder is a place. Its zero value is none: use New.
type Folder struct{ dir string }

var _ place.Place = (*Folder)(nil)

// New returns the place in a folder, which need not exist. It touches nothing.
func New(dir string) (*Folder, error) {
	abs, err := filepath.Abs(dir)
	return &Folder{abs}, err
}

// Destination implements place.Place.
func (f *Folder) Destination() providers.Destination {
	return providers.Destination{Name: f.dir, Folder: f.dir}
}

// At implements place.Place.
func (f *Folder) At(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// Piece implements place.Place.
func (f *Folder) Piece() int64 { return 0 }

// Check implements place.Place.
func (f *Folder) Check(context.Context, string) (providers.Report, error) {
	r := providers.Report{Facts: map[string]string{"destination": f.dir}}
	existing, err := host.Existing(f.dir)
	if err != nil {
		r.Add(problem.Wrap(err, notWritable, "let the user that runs bkp reach it, or choose another destination"))
		return r, nil
	}
	info, err := os.Stat(existing)
	switch {
	case err != nil:
		return r, err
	case !info.IsDir():
		r.Add(problem.New(noFolder, existing, "choose a folder"))
	default:
		if err := host.Writable(existing); err != nil {
			r.Add(problem.Wrap(err, notWritable, letWrite))
		}
	}
	return r, nil
}

// Stat implements place.Place.
func (f *Folder) Stat(_ context.Context, name string) (place.Object, error) {
	if err := place.CheckName(name); err != nil {
		return place.Object{}, err
	}
	info, err := f.lstat(name)
	if err != nil {
		return place.Object{}, err
	}
	return place.Object{Name: name, Bytes: info.Size()}, nil
}

// lstat looks at an object, and at the folder that it is in.
func (f *Folder) lstat(name string) (fs.FileInfo, error) {
	path := f.At(name)
	dir, err := os.Lstat(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if !dir.IsDir() {
		return nil, noDir(filepath.Dir(path), dir.Mode())
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, noFile(path, info.Mode())
	}
	return info, nil
}

// noFile refuses what stands in the place of an object.
func noFile(path string, mode fs.FileMode) *problem.Problem {
	if mode&fs.ModeSymlink != 0 {
		return problem.New(notAFile, path+" is a symbolic link, which bkp does not follow", moveBack)
	}
	return problem.New(notAFile, path+" is a "+kindOf(mode), "see what it is, and bring the archive back")
}

// noDir refuses what stands in the place of a backup's folder.
func noDir(path string, mode fs.FileMode) *problem.Problem {
	if mode&fs.ModeSymlink != 0 {
		return problem.New(notADir, path+" is a symbolic link, which bkp does not follow", moveBack)
	}
	return problem.New(notADir, path+" is a "+kindOf(mode), "see what it is, and bring the backup back")
}

// unfinishedAt is for an object that is being written, or that was interrupted.
func unfinishedAt(path string, err error) *problem.Problem {
	const remedy = "wait until no run is under way, and clean up after interrupted ones:\n\n    bkp recover\n"
	if err == nil {
		return problem.New(unfinished, path+" is not written to its end", remedy)
	}
	return problem.Wrap(err, unfinished, remedy)
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "file"
	case mode.IsDir():
		return "folder"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// Open implements place.Place.
func (f *Folder) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := place.CheckName(name); err != nil {
		return nil, err
	}
	seen, err := f.lstat(name)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(f.At(name), os.O_RDONLY|host.NonBlock|host.NoFollow, 0)
	if err != nil {
		return nil, problem.Wrap(err, unreadable, letRead)
	}
	info, err := file.Stat()
	if err == nil && !os.SameFile(seen, info) {
		err = problem.New(notAFile, f.At(name)+" became something else while it was opened", "see who writes there")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if length < 0 {
		length = max(info.Size()-offset, 0)
	}
	return &reader{ctx: ctx, Reader: io.NewSectionReader(file, offset, length), file: file}, nil
}

// reader reads until its context ends.
type reader struct {
	io.Reader
	ctx  context.Context //nolint:containedctx // that of Open, for as long as the reader is open
	file *os.File
}

func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

func (r *reader) Close() error { return r.file.Close() }

// List implements place.Place. It passes over what lies in the folder and is no
// backup: the folder may be shared.
func (f *Folder) List(ctx context.Context, b providers.BackupID) ([]place.Object, error) {
	if b != "" {
		if _, err := providers.ParseBackupID(string(b)); err != nil {
			return nil, err
		}
		return f.listOne(b)
	}
	entries, err := os.ReadDir(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, problem.Wrap(err, "archives cannot be listed", "let the user that runs bkp read the destination")
	}
	var out []place.Object
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		b, err := providers.ParseBackupID(e.Name())
		if err != nil {
			continue
		}
		list, err := f.listOne(b)
		if err != nil {
			list = []place.Object{{Name: string(b), Odd: problem.Wrap(err, unreadable, letRead)}}
		}
		out = append(out, list...)
	}
	place.SortByName(out)
	return out, nil
}

func (f *Folder) listOne(b providers.BackupID) ([]place.Object, error) {
	dir := f.At(string(b))
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.IsDir():
		return []place.Object{{Name: string(b), Odd: noDir(dir, info.Mode())}}, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it was deleted just now
	}
	if err != nil {
		return nil, err
	}
	var out []place.Object
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		o := place.Object{Name: place.Name(b, e.Name()), Bytes: info.Size()}
		switch path := filepath.Join(dir, e.Name()); {
		case !info.Mode().IsRegular():
			o.Odd = noFile(path, info.Mode())
		case strings.HasPrefix(e.Name(), "."):
			o.Odd = unfinishedAt(path, nil)
		}
		out = append(out, o)
	}
	return out, nil
}

// Delete implements place.Place.
func (f *Folder) Delete(_ context.Context, name string) error {
	if err := place.CheckName(name); err != nil {
		return err
	}
	path := f.At(name)
	if err := os.Remove(path); err != nil {
		return ignoreMissing(err)
	}
	return syncFolder(filepath.Dir(path))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Clean implements place.Place. The backup's folder goes, too, once it is empty.
func (f *Folder) Clean(_ context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	dir := f.At(string(b))
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return ignoreMissing(err)
	}
	entries, err := os.ReadDir(dir)
	left := len(entries)
	for _, e := range entries {
		if !isPartial(e.Name()) {
			continue
		}
		left--
		err = errors.Join(err, ignoreMissing(os.RemoveAll(filepath.Join(dir, e.Name()))))
	}
	if err != nil || left > 0 {
		return err
	}
	if err := os.Remove(dir); err != nil {
		return ignoreMissing(err)
	}
	return syncFolder(f.dir)
}

const partialSuffix = ".partial"

// partialPath is where an object is written before it is renamed.
func partialPath(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+partialSuffix)
}

func isPartial(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, partialSuffix)
}

// syncFolder makes renames and removals in a folder safe on disk.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such call for folders
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
