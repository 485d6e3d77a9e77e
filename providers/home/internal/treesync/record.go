package treesync

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// Record is an index, read for what it says of the copy. It is believed after a
// reboot too: it serves to find what the copy lost.
type Record struct{ x *index }

// OpenRecord opens the index at path of a copy of source. The error wraps
// providers.ErrNotFound if no record can be read. The caller closes the
// record.
func OpenRecord(path, source string) (*Record, error) {
	x, err := loadIndex(path)
	if err != nil {
		return nil, fmt.Errorf("%w: index of the working copy: %w", providers.ErrNotFound, err)
	}
	if x.info.Source != source {
		x.close()
		return nil, fmt.Errorf("%w: index of the working copy is about %q", providers.ErrNotFound, x.info.Source)
	}
	return &Record{x}, nil
}

// Folder returns the entries of a folder by its path in the source, as
// providers.Record does.
func (r *Record) Folder(rel string) ([]providers.Recorded, bool, error) {
	b, ok := r.x.find(keyOf(rel))
	if !ok {
		return nil, false, nil
	}
	raw, err := r.x.read(b)
	if err != nil {
		return nil, false, r.damaged(err)
	}
	name, entries, err := decodeFolder(raw, nil)
	if err != nil || name != rel {
		return nil, false, r.damaged(errors.Join(errIndex, err))
	}
	out := make([]providers.Recorded, len(entries))
	for i := range entries {
		e := &entries[i]
		out[i] = providers.Recorded{Name: e.name, Type: e.fileType(), Sum: e.sum, Summed: e.summed}
	}
	return out, true, nil
}

func (r *Record) damaged(err error) error {
	return problem.Wrapf(err, "index of the working copy is damaged", "check the disk of the state folder", "%s", r.x.f.Name())
}

// Close closes the index.
func (r *Record) Close() error { return r.x.f.Close() }

// fileType is the kind of the entry in the words of fs.
func (e *entry) fileType() fs.FileMode {
	switch e.kind() {
	case syscall.S_IFDIR:
		return fs.ModeDir
	case syscall.S_IFLNK:
		return fs.ModeSymlink
	case syscall.S_IFIFO:
		return fs.ModeNamedPipe
	case syscall.S_IFBLK:
		return fs.ModeDevice
	case syscall.S_IFCHR:
		return fs.ModeDevice | fs.ModeCharDevice
	}
	return 0
}

// Distrust takes folders out of the index at path, so that the next pass
// compares them with the copy byte by byte. The index is safe on disk then. None
// there is success: nothing is believed without it.
func Distrust(path, source string, folders []string) error {
	x, err := loadIndex(path)
	if err != nil {
		return nil // an index that cannot be read is not believed
	}
	defer x.close()
	if x.info.Source != source {
		return nil
	}
	st, err := x.f.Stat()
	if err != nil {
		return err
	}
	gone := map[key]struct{}{}
	for _, rel := range folders {
		gone[keyOf(rel)] = struct{}{}
	}
	x.table = slices.DeleteFunc(x.table, func(b block) bool { _, yes := gone[b.key]; return yes })
	w, err := newIndexWriter(path)
	if err != nil {
		return indexError(err)
	}
	w.keep(x)
	// A change of the copy is known by a ctime that is younger than the index.
	err = errors.Join(w.writeTail(x.info), os.Chtimes(w.f.Name(), st.ModTime(), st.ModTime()), w.f.Sync())
	if err != nil {
		w.abandon()
		return indexError(err)
	}
	if err := errors.Join(w.f.Close(), os.Rename(w.f.Name(), path)); err != nil {
		return indexError(err)
	}
	return host.SyncDir(filepath.Dir(path))
}
