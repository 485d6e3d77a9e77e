package treesync

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"bkp/internal/filemeta"
)

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
	if f.settle(); f.far && !f.parent.far {
		// The listing is right once the attributes of the folder are.
		_, err = f.stat(".")
	}
	return err
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
		err = chmod(dst, f.meta.mode&permissions|0o700)
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

// gone reports an entry that is not there any more, or not what it was.
func gone(err error) bool {
	for _, e := range []error{fs.ErrNotExist, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENXIO, syscall.ESPIPE, syscall.ESTALE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// removeAt removes the entry name of dir, with all that is below, without
// following a link. An entry that is not there is no error.
func removeAt(dir int, name string) error {
	err := unlinkAt(dir, name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !isFolderError(err) {
		return err
	}
	if rmdir(dir, name) == nil {
		return nil
	}
	sub, err := openFolderAt(dir, name)
	if errors.Is(err, fs.ErrPermission) {
		_ = chmodAt(dir, name, 0o700)
		sub, err = openFolderAt(dir, name)
	}
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }()
	_ = chmod(sub, 0o700)
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

// isTemp reports whether a name is one that a pass gives to what is not complete.
func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

const tempPrefix = ".bkp-part-"
