package filemeta

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"
)

// xattrs reads the attributes that are kept; nil if there are none or the file
// system has none.
func xattrs(f *os.File) (map[string][]byte, error) {
	// Asking for the length alone spares the buffer for nearly every file.
	var size int
	err := retry(func() (err error) { size, err = unix.Flistxattr(int(f.Fd()), nil); return err })
	if size == 0 || unsupported(err) {
		if unsupported(err) {
			err = nil
		}
		return nil, pathError("listxattr", f, err)
	}
	names, err := xattr.FList(f)
	if err != nil {
		return nil, err
	}
	var out map[string][]byte
	for _, name := range names {
		if !Kept(name) {
			continue
		}
		value, err := xattr.FGet(f, name)
		if errors.Is(err, unix.ENODATA) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = map[string][]byte{}
		}
		out[name] = value
	}
	return out, nil
}

// applyXattrs makes the kept attributes of f exactly want. What is inherited
// from a folder's default ACL goes, too.
func applyXattrs(f *os.File, want map[string][]byte) (Loss, error) {
	have, err := xattrs(f)
	if err != nil {
		return 0, err
	}
	for name := range have {
		if _, keep := want[name]; keep {
			continue
		}
		if err := xattr.FRemove(f, name); err != nil && !errors.Is(err, unix.ENODATA) {
			return 0, err
		}
	}
	var lost Loss
	for name, value := range want {
		if !Kept(name) {
			return lost, pathError("setxattr "+name, f, unix.EPERM)
		}
		if old, ok := have[name]; ok && bytes.Equal(old, value) {
			continue
		}
		err := xattr.FSet(f, name, value)
		privileged := errors.Is(err, unix.EPERM) && strings.HasPrefix(name, "security.")
		if errors.Is(err, unix.ENOTSUP) || privileged {
			lost |= LostXattrs
			continue
		}
		if err != nil {
			return lost, err
		}
	}
	return lost, nil
}

func unsupported(err error) bool {
	return errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS)
}

func pathError(op string, f *os.File, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.Name(), Err: err}
}
