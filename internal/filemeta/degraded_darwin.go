package filemeta

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const utimeOmit = -2 // UTIME_OMIT

// setTimes has microseconds only: there is no futimens in reach.
func setTimes(f *os.File, m Meta) error {
	now := unix.NsecToTimeval(time.Now().UnixNano())
	then := unix.NsecToTimeval(m.ModTime.UnixNano())
	if err := unix.Futimes(int(f.Fd()), []unix.Timeval{now, then}); err != nil {
		return &fs.PathError{Op: "utimes", Path: f.Name(), Err: err}
	}
	return nil
}

func chmodAt(dir int, name string, mode uint32) error {
	return retry(func() error { return unix.Fchmodat(dir, name, mode, unix.AT_SYMLINK_NOFOLLOW) })
}

func mknodAt(dir *os.File, name string, mode uint32, dev uint64) error {
	return unix.Mknod(filepath.Join(dir.Name(), name), mode, int(dev)) //nolint:gosec // a device number's bits
}

func xattrs(*os.File) (map[string][]byte, error) { return nil, nil }

func applyXattrs(_ *os.File, want map[string][]byte) (Loss, error) {
	if len(want) > 0 {
		return LostXattrs, nil
	}
	return 0, nil
}
