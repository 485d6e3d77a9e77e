//go:build unix

package treesync

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"bkp/internal/filemeta"
)

const openDirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// folder is one folder of the source with its place in the copy. It stays open
// while someone works in it or below it.
type folder struct {
	parent *folder
	name   string
	rel    string // "" is the root
	meta   entry  // what the parent saw of it
	// fresh: this pass created it in the copy, so it is empty there.
	fresh bool
	// changed: mode, owner or times differ from what the copy has.
	changed bool
	// deep: nothing that a tracker reports about it is believed.
	deep bool
	// far: it lies on another machine. Known once it is open.
	far bool

	refs atomic.Int32
	src  *os.File
	srcN int // descriptor of src

	mu  sync.Mutex
	dst *os.File // nil until the copy is needed
	// touched: an entry of the copy was created, replaced or removed.
	touched bool
}

func (f *folder) path(name string) string { return path.Join(f.rel, name) }

func (f *folder) retain() *folder { f.refs.Add(1); return f }

// release closes the folder, and its parents, once nobody needs them.
func (f *folder) release() {
	for f != nil && f.refs.Add(-1) == 0 {
		if f.src != nil {
			_ = f.src.Close()
		}
		if f.dst != nil {
			_ = f.dst.Close()
		}
		f = f.parent
	}
}

func (f *folder) openSource() error {
	parent, name := f.parent.srcN, f.name
	src, err := openFolderAt(parent, name)
	if err != nil {
		return err
	}
	f.src, f.srcN = src, int(src.Fd())
	f.settle()
	return nil
}

// stat looks at an entry, on whatever machine the folder lies.
func (f *folder) stat(name string) (entry, error) {
	if f.far {
		return statFar(f.srcN, name)
	}
	return statEntry(f.srcN, name)
}

// copyDir opens the folder in the copy, through its parents.
func (f *folder) copyDir() (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dst != nil {
		return f.dst, nil
	}
	parent, err := f.parent.copyDir()
	if err != nil {
		return nil, err
	}
	f.dst, err = openFolderAt(int(parent.Fd()), f.name)
	return f.dst, err
}

// writable is copyDir for a change of the folder's entries. The folder's own
// mode and times are set once all is done.
func (f *folder) writable() (*os.File, error) {
	dst, err := f.copyDir()
	if err != nil || f.touched {
		return dst, err
	}
	f.touched = true
	if os.Geteuid() != 0 && (f.changed || f.meta.mode&0o700 != 0o700) {
		// The folder may forbid even its owner to write; if it changed, the copy
		// may still have a mode that did.
		err = again(func() error { return unix.Fchmod(int(dst.Fd()), f.meta.mode&0o7777|0o700) })
	}
	return dst, err
}

// applyMeta gives the folder in the copy the source's mode, owner and times.
func (f *folder) applyMeta() (filemeta.Loss, error) {
	if !f.touched && !f.changed && !f.fresh {
		return 0, nil
	}
	dst, err := f.copyDir()
	if err != nil {
		return 0, err
	}
	m, err := filemeta.ReadFile(f.src)
	if err != nil {
		return 0, err
	}
	return filemeta.Apply(dst, m)
}

func openFolderAt(dir int, name string) (*os.File, error) {
	fd := -1
	err := again(func() (err error) { fd, err = unix.Openat(dir, name, openDirFlags, 0); return err })
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// listing reads the names in a folder, sorted.
type listing struct {
	buf   []byte
	names []string
}

func (l *listing) read(fd int) ([]string, error) {
	if l.buf == nil {
		l.buf = make([]byte, 64<<10)
	}
	l.names = l.names[:0]
	for {
		var n int
		err := again(func() (err error) { n, err = unix.ReadDirent(fd, l.buf); return err })
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			break
		}
		_, _, l.names = unix.ParseDirent(l.buf[:n], -1, l.names)
	}
	slices.Sort(l.names)
	return l.names, nil
}

// gone reports an entry that is not there any more, or not what it was.
func gone(err error) bool {
	for _, e := range []error{fs.ErrNotExist, unix.ENOTDIR, unix.EISDIR, unix.ELOOP, unix.ENXIO, unix.ESPIPE, unix.ESTALE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// removeAt removes the entry name of dir, with all that is below, without
// following a link. An entry that is not there is no error.
func removeAt(dir int, name string) error {
	err := again(func() error { return unix.Unlinkat(dir, name, 0) })
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// Linux says EISDIR of a folder, others EPERM.
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return err
	}
	if rmdir(dir, name) == nil {
		return nil
	}
	sub, err := openFolderAt(dir, name)
	if errors.Is(err, fs.ErrPermission) {
		_ = unix.Fchmodat(dir, name, 0o700, 0)
		sub, err = openFolderAt(dir, name)
	}
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }()
	_ = unix.Fchmod(int(sub.Fd()), 0o700)
	var l listing
	names, err := l.read(int(sub.Fd()))
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := removeAt(int(sub.Fd()), n); err != nil {
			return err
		}
	}
	return rmdir(dir, name)
}

func rmdir(dir int, name string) error {
	return again(func() error { return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) })
}

// isTemp reports whether a name is one that a pass gives to what is not complete.
func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

const tempPrefix = ".bkp-part-"
