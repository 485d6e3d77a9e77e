package filemeta

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const utimeOmit = unix.UTIME_OMIT

// setTimes works on the descriptor itself, so that it does not matter which
// name the file has by now.
func setTimes(f *os.File, m Meta) error {
	mtime, err := unix.TimeToTimespec(m.ModTime)
	if err == nil {
		times := [2]unix.Timespec{{Nsec: utimeOmit}, mtime}
		err = retry(func() error { return futimens(int(f.Fd()), &times) })
	}
	return pathError("utimes", f, err)
}

// chmodAt never follows name. Kernels before 6.6 have no such call: there the
// name is pinned by a descriptor that cannot be a link's target, and changed
// through /proc.
func chmodAt(dir int, name string, mode uint32) error {
	err := retry(func() error { return unix.Fchmodat(dir, name, mode, unix.AT_SYMLINK_NOFOLLOW) })
	if err != unix.EOPNOTSUPP { //nolint:errorlint // a system call returns it bare
		return err
	}
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), mode)
}

func mknodAt(dir *os.File, name string, mode uint32, dev uint64) error {
	return retry(func() error { return unix.Mknodat(int(dir.Fd()), name, mode, int(dev)) })
}

// futimens is utimensat with no name, which x/sys does not offer: it sets the
// times of the open file.
func futimens(fd int, times *[2]unix.Timespec) error {
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(times)), 0, 0, 0) //nolint:gosec // the kernel's calling convention
	if errno != 0 {
		return errno
	}
	return nil
}
