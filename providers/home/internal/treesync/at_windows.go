package treesync

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/windows"

	"bkp/internal/filemeta"
)

// here, in the place of an open folder, is the current one.
const here = -1

// permissions are the bits of a mode that can be set: none, but for read-only.
const permissions = 0o777

// below is the path of a name in an open folder, wherever that is now.
func below(dir int, name string) (string, error) {
	if dir == here {
		return name, nil
	}
	buf := make([]uint16, windows.MAX_LONG_PATH)
	n, err := windows.GetFinalPathNameByHandle(windows.Handle(dir), &buf[0], uint32(len(buf)), 0)
	if err != nil {
		return "", err
	}
	return filepath.Join(windows.UTF16ToString(buf[:n]), name), nil
}

// in calls a function with the path of a name in an open folder.
func in(dir int, name string, call func(path string) error) error {
	path, err := below(dir, name)
	if err != nil {
		return err
	}
	return call(path)
}

func statEntry(dir int, name string) (e entry, err error) {
	err = in(dir, name, func(path string) error {
		m, err := filemeta.Stat(path)
		if err == nil && m.Mode&fs.ModeIrregular != 0 {
			err = &fs.PathError{Op: "stat", Path: path, Err: errReparse}
		}
		e = entry{name: name, mode: modeOf(m.Mode), size: m.Size, ino: m.ID.Ino, dev: m.ID.Dev, links: m.Links}
		e.mtime, e.mtimeNano = split(m.ModTime)
		e.ctime, e.ctimeNano = split(m.ChangeTime)
		return err
	})
	return e, err
}

// errReparse is about a junction, a mounted volume and the like. To leave it out in
// silence could leave out all repositories.
var errReparse = errors.New("it is a reparse point, such as a junction, which cannot be copied")

func split(t time.Time) (seconds, nanos int64) { return t.Unix(), int64(t.Nanosecond()) }

func modeOf(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	switch m.Type() {
	case fs.ModeDir:
		mode |= syscall.S_IFDIR
	case fs.ModeSymlink:
		mode |= syscall.S_IFLNK
	case 0:
		mode |= syscall.S_IFREG
	default:
		mode |= syscall.S_IFSOCK // what no archive takes
	}
	return mode
}

// again calls once: no signal interrupts a call.
func again(call func() error) error { return call() }

// openAt opens what is not a link, and lets others rename and remove it meanwhile.
func openAt(dir int, name string, access, how uint32) (*os.File, error) {
	return openWith(dir, name, access, how, windows.FILE_FLAG_OPEN_REPARSE_POINT)
}

func openWith(dir int, name string, access, how, flags uint32) (f *os.File, err error) {
	err = in(dir, name, func(path string) error {
		text, err := windows.UTF16PtrFromString(path)
		if err != nil {
			return err
		}
		h, err := windows.CreateFile(text, access, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil, how,
			windows.FILE_FLAG_BACKUP_SEMANTICS|flags, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: path, Err: err}
		}
		f = os.NewFile(uintptr(h), path)
		return nil
	})
	return f, err
}

func openFolderAt(dir int, name string) (*os.File, error) {
	return openKind(dir, name, fs.ModeDir, syscall.ENOTDIR)
}

func openFileAt(dir int, name string) (*os.File, error) {
	return openKind(dir, name, 0, syscall.EISDIR)
}

func openKind(dir int, name string, kind fs.FileMode, otherwise error) (*os.File, error) {
	f, err := openAt(dir, name, windows.GENERIC_READ, windows.OPEN_EXISTING)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && fi.Mode().Type() != kind {
		err = otherwise
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if attributes, ok := fi.Sys().(*syscall.Win32FileAttributeData); ok && kind == 0 && attributes.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 {
		// A file whose content the system keeps elsewhere, such as a deduplicated one:
		// its own reparse point has none of it.
		return openWith(dir, name, windows.GENERIC_READ, windows.OPEN_EXISTING, 0)
	}
	return f, nil
}

// createAt makes a file that is not there yet.
func createAt(dir int, name string) (*os.File, error) {
	return openAt(dir, name, windows.GENERIC_READ|windows.GENERIC_WRITE, windows.CREATE_NEW)
}

func mkdirAt(dir int, name string) error {
	return in(dir, name, func(path string) error { return os.Mkdir(path, 0o700) })
}

// renameAt replaces what has the name; a file there may be read-only, which Windows
// protects from that.
func renameAt(dir int, from, to string) error {
	return in(dir, from, func(old string) error {
		return in(dir, to, func(now string) error {
			err := os.Rename(old, now)
			if errors.Is(err, fs.ErrPermission) && os.Chmod(now, 0o600) == nil {
				err = os.Rename(old, now)
			}
			return err
		})
	})
}

// linkAt gives a file of one folder another name in another one.
func linkAt(from int, name string, dir int, to string) error {
	return in(from, name, func(old string) error {
		return in(dir, to, func(now string) error { return os.Link(old, now) })
	})
}

func symlinkAt(target string, dir int, name string) error {
	return in(dir, name, func(path string) error { return os.Symlink(filepath.FromSlash(target), path) })
}

// readlinkAt is what a link says, with slashes. Something else in its place is EINVAL.
func readlinkAt(dir int, name string) (target string, err error) {
	err = in(dir, name, func(path string) error {
		target, err = os.Readlink(path)
		return err
	})
	return filepath.ToSlash(target), err
}

// readableAt asks whether this process may read a file.
func readableAt(dir int, name string) error {
	f, err := openFileAt(dir, name)
	if err != nil {
		return err
	}
	return f.Close()
}

func unlinkAt(dir int, name string) error {
	return in(dir, name, func(path string) error {
		fi, err := os.Lstat(path)
		if err == nil && fi.IsDir() {
			err = syscall.EISDIR
		}
		if err != nil {
			return err
		}
		return os.Remove(path)
	})
}

func rmdir(dir int, name string) error {
	return in(dir, name, os.Remove)
}

// isFolderError reports whether unlinkAt failed because it met a folder.
func isFolderError(err error) bool { return errors.Is(err, syscall.EISDIR) }

// openIndexFile opens an index for reading, so that it can be removed meanwhile.
func openIndexFile(path string) (*os.File, error) { return openFileAt(here, path) }

// removeOpen removes a file that may be open here. It keeps its name until it is closed,
// so it gets another one: then its own is free at once.
func removeOpen(path string) error {
	aside := path + "." + rand.Text()
	if err := os.Rename(path, aside); err != nil {
		return err
	}
	return os.Remove(aside)
}

// chmodAt and chmod have nothing to change: rights are in access lists.
func chmodAt(int, string, uint32) error { return nil }

func chmod(*os.File, uint32) error { return nil }

// isFull reports whether there is no room left.
func isFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }

// bootID is not known here, so an index that was not synced is not believed.
func bootID() string { return "" }

// SyncTree has no call for a whole file system.
func SyncTree(string) error { return nil }

// listing reads the names in a folder, sorted.
type listing struct{}

func (l *listing) read(fd int) (names []string, err error) {
	err = in(fd, ".", func(path string) error {
		entries, err := os.ReadDir(path)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return err
	})
	slices.Sort(names)
	return names, err
}
