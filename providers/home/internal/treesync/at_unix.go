//go:build unix

package treesync

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"bkp/internal/host"
)

// here, in the place of an open folder, is the current one.
const here = unix.AT_FDCWD

// permissions are the bits of a mode that can be set.
const permissions = 0o7777

func statEntry(dir int, name string) (entry, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return entry{}, err
	}
	e := entry{
		name: name, mode: uint32(st.Mode), uid: st.Uid, gid: st.Gid, size: st.Size, //nolint:unconvert // 16 bits on darwin
		ino: st.Ino, links: uint64(st.Nlink), dev: uint64(st.Dev), //nolint:unconvert // narrower on other systems
	}
	e.mtime, e.mtimeNano = st.Mtim.Unix()
	e.ctime, e.ctimeNano = st.Ctim.Unix()
	return e, nil
}

// again repeats a call that a signal interrupted.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR { //nolint:errorlint // a system call returns it bare
			return err
		}
	}
}

func openAt(dir int, name string, flags int) (*os.File, error) {
	fd := -1
	err := again(func() (err error) {
		fd, err = unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func openFolderAt(dir int, name string) (*os.File, error) {
	return openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY)
}

// openFileAt opens a file for reading. Something else in its place does not block.
func openFileAt(dir int, name string) (*os.File, error) {
	return openAt(dir, name, unix.O_RDONLY|unix.O_NONBLOCK)
}

// createAt makes a file that is not there yet.
func createAt(dir int, name string) (*os.File, error) {
	return openAt(dir, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
}

func mkdirAt(dir int, name string) error {
	return again(func() error { return unix.Mkdirat(dir, name, 0o700) })
}

func renameAt(dir int, from, to string) error {
	return again(func() error { return unix.Renameat(dir, from, dir, to) })
}

// linkAt gives a file of one folder another name in another one.
func linkAt(from int, name string, dir int, to string) error {
	return again(func() error { return unix.Linkat(from, name, dir, to, 0) })
}

func symlinkAt(target string, dir int, name string) error {
	return again(func() error { return unix.Symlinkat(target, dir, name) })
}

// readlinkAt is what a link says. Something else in its place is EINVAL.
func readlinkAt(dir int, name string) (string, error) {
	target := make([]byte, unix.PathMax)
	var n int
	err := again(func() (err error) { n, err = unix.Readlinkat(dir, name, target); return err })
	return string(target[:max(n, 0)]), err
}

// readableAt asks whether this process may read a file.
func readableAt(dir int, name string) error {
	return again(func() error { return unix.Faccessat(dir, name, unix.R_OK, unix.AT_EACCESS) })
}

func unlinkAt(dir int, name string) error {
	return again(func() error { return unix.Unlinkat(dir, name, 0) })
}

func rmdir(dir int, name string) error {
	return again(func() error { return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) })
}

// isFolderError reports whether unlinkAt failed because it met a folder. Linux says
// EISDIR, others EPERM.
func isFolderError(err error) bool { return errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) }

// openIndexFile opens an index for reading.
func openIndexFile(path string) (*os.File, error) { return host.OpenRegular(path) }

// removeOpen removes a file that may be open here; its name is free at once.
func removeOpen(path string) error { return os.Remove(path) }

func chmodAt(dir int, name string, mode uint32) error { return unix.Fchmodat(dir, name, mode, 0) }

func chmod(f *os.File, mode uint32) error {
	return again(func() error { return unix.Fchmod(int(f.Fd()), mode) })
}

// isFull reports whether there is no room left.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

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
