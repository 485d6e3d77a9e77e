//go:build unix

package filemeta

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// FromInfo returns what an Lstat saw; without extended attributes.
func FromInfo(fi fs.FileInfo) Meta {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return fromSys(st)
	}
	return Meta{Mode: fi.Mode(), Size: fi.Size(), Allocated: fi.Size(), ModTime: fi.ModTime()}
}

// Stat reads path without following it, and without its extended attributes.
func Stat(path string) (Meta, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return Meta{}, err
	}
	return FromInfo(fi), nil
}

// StatAt reads the entry name of dir, without its extended attributes. The
// name "." is the folder itself.
func StatAt(dir *os.File, name string) (Meta, error) {
	if err := checkName(name); err != nil {
		return Meta{}, err
	}
	var st unix.Stat_t
	err := retry(func() error {
		return unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return Meta{}, at("stat", dir, name, err)
	}
	return fromStat(&st), nil
}

// ReadAt is StatAt with the extended attributes.
func ReadAt(dir *os.File, name string) (Meta, error) {
	m, err := StatAt(dir, name)
	if err != nil || !m.Mode.IsRegular() && !m.Mode.IsDir() {
		return m, err
	}
	f, err := openAt(dir, name)
	if err != nil {
		return Meta{}, err
	}
	defer func() { _ = f.Close() }()
	return ReadFile(f)
}

// ReadFile reads an open file, extended attributes included.
func ReadFile(f *os.File) (Meta, error) {
	fi, err := f.Stat()
	if err != nil {
		return Meta{}, err
	}
	m := FromInfo(fi)
	m.Xattrs, err = xattrs(f)
	return m, err
}

// StatFile is ReadFile without the extended attributes.
func StatFile(f *os.File) (Meta, error) {
	fi, err := f.Stat()
	if err != nil {
		return Meta{}, err
	}
	return FromInfo(fi), nil
}

// openAt opens a regular file or folder for reading, and nothing that a link
// leads to. O_NONBLOCK keeps a FIFO that took the name's place from blocking.
func openAt(dir *os.File, name string) (*os.File, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, at("open", dir, name, err)
	}
	return os.NewFile(uintptr(fd), dir.Name()+"/"+name), nil
}

// retry repeats a call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR { //nolint:errorlint // a system call returns it bare
			return err
		}
	}
}

// fileMode translates st_mode.
func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFIFO:
		m |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		m |= fs.ModeSocket
	case unix.S_IFBLK:
		m |= fs.ModeDevice
	case unix.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	}
	if mode&unix.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if mode&unix.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	if mode&unix.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// permBits translates back what chmod takes.
func permBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= unix.S_ISUID
	}
	if m&fs.ModeSetgid != 0 {
		bits |= unix.S_ISGID
	}
	if m&fs.ModeSticky != 0 {
		bits |= unix.S_ISVTX
	}
	return bits
}
