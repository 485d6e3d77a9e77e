//go:build unix

package filemeta

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Apply gives an open regular file or folder what m holds: owner, mode,
// extended attributes (exactly those of m, others go), times. The order
// matters: a change of owner takes setuid and capabilities away, a change of
// mode alters an ACL, and all of them may alter times.
func Apply(f *os.File, m Meta) (Loss, error) {
	fd := int(f.Fd())
	lost, err := applyOwner(m, func(uid, gid int) error { return unix.Fchown(fd, uid, gid) })
	if err != nil {
		return lost, &fs.PathError{Op: "chown", Path: f.Name(), Err: err}
	}
	mode := modeWithout(m.Mode, lost)
	if err := retry(func() error { return unix.Fchmod(fd, permBits(mode)) }); err != nil {
		return lost, &fs.PathError{Op: "chmod", Path: f.Name(), Err: err}
	}
	more, err := applyXattrs(f, m.Xattrs)
	if errors.Is(err, unix.EACCES) {
		// User attributes want a file that its owner may write to.
		_ = retry(func() error { return unix.Fchmod(fd, permBits(mode)|unix.S_IWUSR) })
		more, err = applyXattrs(f, m.Xattrs)
		err = errors.Join(err, retry(func() error { return unix.Fchmod(fd, permBits(mode)) }))
	}
	lost |= more
	if err != nil {
		return lost, err
	}
	return lost, setTimes(f, m)
}

// ApplyAt gives the entry name of dir what m holds. The entry must exist and
// be of m's type; of a symbolic link the link itself is meant. Of folders,
// apply to the content first: creating an entry changes the folder's times.
func ApplyAt(dir *os.File, name string, m Meta) (Loss, error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	if m.Mode.IsRegular() || m.Mode.IsDir() {
		f, err := openAt(dir, name)
		if err != nil {
			return 0, err
		}
		defer func() { _ = f.Close() }()
		return Apply(f, m)
	}
	fd := int(dir.Fd())
	lost, err := applyOwner(m, func(uid, gid int) error {
		return unix.Fchownat(fd, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return lost, at("chown", dir, name, err)
	}
	// The mode of a symbolic link means nothing.
	if m.Mode&fs.ModeSymlink == 0 {
		if err := chmodAt(fd, name, permBits(modeWithout(m.Mode, lost))); err != nil {
			return lost, at("chmod", dir, name, err)
		}
	}
	return lost, SetTimesAt(dir, name, m)
}

// SetTimesAt sets the modification time of the entry name of dir to m's, and
// nothing else.
func SetTimesAt(dir *os.File, name string, m Meta) error {
	mtime, err := unix.TimeToTimespec(m.ModTime)
	if err != nil {
		return at("utimes", dir, name, err)
	}
	times := []unix.Timespec{{Nsec: utimeOmit}, mtime}
	err = retry(func() error {
		return unix.UtimesNanoAt(int(dir.Fd()), name, times, unix.AT_SYMLINK_NOFOLLOW)
	})
	return at("utimes", dir, name, err)
}

// MakeSpecialAt creates a FIFO or a device of m's type and numbers. Devices
// need root.
func MakeSpecialAt(dir *os.File, name string, m Meta) error {
	if err := checkName(name); err != nil {
		return err
	}
	mode := uint32(0o600)
	switch m.Mode.Type() {
	case fs.ModeNamedPipe:
		mode |= unix.S_IFIFO
	case fs.ModeDevice:
		mode |= unix.S_IFBLK
	case fs.ModeDevice | fs.ModeCharDevice:
		mode |= unix.S_IFCHR
	default:
		return at("mknod", dir, name, errors.New("neither a fifo nor a device"))
	}
	return at("mknod", dir, name, mknodAt(dir, name, mode, unix.Mkdev(m.Major, m.Minor)))
}

// applyOwner sets owner and group, or as much of it as this user may.
func applyOwner(m Meta, chown func(uid, gid int) error) (Loss, error) {
	if !m.HasOwner {
		return 0, nil
	}
	err := retry(func() error { return chown(int(m.UID), int(m.GID)) })
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EINVAL) {
		return 0, err
	}
	// An ordinary user may still hand a file to another group of their own.
	_ = retry(func() error { return chown(-1, int(m.GID)) })
	return LostOwner, nil
}

func modeWithout(mode fs.FileMode, lost Loss) fs.FileMode {
	if lost&LostOwner != 0 {
		return mode &^ (fs.ModeSetuid | fs.ModeSetgid)
	}
	return mode
}
