package treesync

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"bkp/internal/host"
)

// isFar reports whether an open folder lies on a file system that other machines
// write to, and which can be asked.
func isFar(f *os.File) bool { return host.IsShared(f) && Asks() }

// Asks reports whether this system can ask other machines about their files: statx
// came with Linux 4.11, and old sandboxes of containers refuse it.
var Asks = sync.OnceValue(func() bool {
	var st unix.Statx_t
	return unix.Statx(unix.AT_FDCWD, "/", unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &st) == nil
})

// statFar is statEntry that asks the machine on which the file lies, whatever the
// kernel remembers: statx(2) with AT_STATX_FORCE_SYNC.
func statFar(dir int, name string) (entry, error) {
	var st unix.Statx_t
	if err := again(func() error {
		return unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &st)
	}); err != nil {
		return entry{}, err
	}
	return entry{
		name: name, mode: uint32(st.Mode), uid: st.Uid, gid: st.Gid, size: int64(st.Size),
		ino: st.Ino, links: uint64(st.Nlink), dev: unix.Mkdev(st.Dev_major, st.Dev_minor),
		mtime: st.Mtime.Sec, mtimeNano: int64(st.Mtime.Nsec), ctime: st.Ctime.Sec, ctimeNano: int64(st.Ctime.Nsec),
	}, nil
}
