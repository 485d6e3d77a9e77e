package track

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"bkp/internal/filemeta"
)

// mount is a file system as it is seen at one place: where a root lies on it,
// or below a root.
type mount struct {
	id    int
	point string
	fsid  string
	// fd is open on the mount point: handles are resolved as it sees them.
	fd int
	// roots are those that lie on the mount, or above it.
	roots []root
}

// root is the place of a root by its number.
type root struct {
	n    int
	path string
}

// local are the file systems that no other machine writes to, and whose
// handles are complete. All others are walked.
var local = []string{"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "f2fs", "zfs", "bcachefs", "jfs", "reiserfs"}

// findMounts returns the mounts that hold the roots and what is below.
func findMounts(roots []string) ([]mount, error) {
	all, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, unfit("the mounts cannot be read", err)
	}
	var out []mount
	for _, info := range all {
		m := mount{id: info.ID, point: info.Mountpoint, fd: -1}
		for n, path := range roots {
			_, inside := below(info.Mountpoint, path)
			if inside || holder(all, path) == info.ID {
				m.roots = append(m.roots, root{n, path})
			}
		}
		if len(m.roots) == 0 {
			continue
		}
		if !slices.Contains(local, info.FSType) {
			return nil, unfit(fmt.Sprintf("%s is %s, whose changes are not all seen here", info.Mountpoint, info.FSType), nil)
		}
		out = append(out, m)
	}
	return out, nil
}

// holder is the id of the mount that path lies on: the last one mounted over
// the longest mount point above it.
func holder(all []*mountinfo.Info, path string) int {
	best, id := -1, -1
	for _, info := range all {
		if _, ok := below(path, info.Mountpoint); ok && len(info.Mountpoint) >= best {
			best, id = len(info.Mountpoint), info.ID
		}
	}
	return id
}

// watch marks the whole file system, and remembers how it is identified.
func (m *mount) watch(fan int) error {
	var err error
	if m.fd, err = unix.Open(m.point, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return unfit("the mount "+m.point+" cannot be opened", err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(m.fd, &st); err != nil {
		return unfit("the mount "+m.point+" cannot be opened", err)
	}
	b := make([]byte, 0, fsidSize)
	for _, v := range st.Fsid.Val {
		b = binary.NativeEndian.AppendUint32(b, uint32(v))
	}
	m.fsid = string(b)
	err = unix.FanotifyMark(fan, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, mask, m.fd, "")
	switch {
	case errors.Is(err, unix.EPERM):
		return &UnfitError{Reason: "not root", Root: true}
	case errors.Is(err, unix.EXDEV):
		return unfit(m.point+" is a subvolume, which cannot be watched alone", nil)
	case err != nil:
		return unfit(m.point+" cannot be watched", err)
	}
	return nil
}

// open opens what a handle is of; unix.ESTALE means that it is gone. While the
// inode's number is given to a new file, ext4 says ENOMEM for a moment.
func (m *mount) open(key handleKey) (fd int, err error) {
	const most = 10_000
	for range most {
		fd, err = unix.OpenByHandleAt(m.fd, key.handle(), unix.O_PATH|unix.O_CLOEXEC)
		if !errors.Is(err, unix.ENOMEM) && !errors.Is(err, unix.EINTR) {
			return fd, err
		}
		runtime.Gosched()
	}
	return fd, err
}

// resolve calls found with every root that the folder lies below now, and with
// its path there. It returns false if the folder could not be found on this file
// system: it is gone, or somebody renamed a folder above it at that moment.
// After an error nobody knows where it is.
func (m *mount) resolve(dir handleKey, found func(root int, rel string)) (bool, error) {
	if dir.fsid() != m.fsid {
		return true, nil
	}
	fd, err := m.open(dir)
	if errors.Is(err, unix.ESTALE) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	if st.Nlink == 0 {
		return true, nil // it is deleted
	}
	path, _, err := where(fd, st)
	if err != nil || path == "" {
		return false, err
	}
	for _, r := range m.roots {
		if rel, ok := below(path, r.path); ok {
			found(r.n, rel)
		}
	}
	return true, nil
}

// where is the path of what is open at fd, with what stands there; "" if it is
// on its way, or outside of what the mount shows.
func where(fd int, st unix.Stat_t) (path string, there unix.Stat_t, err error) {
	path, err = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return "", there, err
	}
	found := unix.Lstat(path, &there) == nil
	if !found || there.Ino != st.Ino || there.Dev != st.Dev {
		path = ""
	}
	return path, there, nil
}

// identify returns which file a handle is of, unless it is gone or known to lie
// below no root.
func (m *mount) identify(file handleKey) (filemeta.ID, bool, error) {
	if file.fsid() != m.fsid {
		return filemeta.ID{}, false, nil
	}
	fd, err := m.open(file)
	if errors.Is(err, unix.ESTALE) {
		return filemeta.ID{}, false, nil
	}
	if err != nil {
		return filemeta.ID{}, false, err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return filemeta.ID{}, false, err
	}
	return filemeta.ID{Dev: st.Dev, Ino: st.Ino}, st.Nlink > 0 && !m.elsewhere(fd, st), nil
}

// elsewhere reports whether a file has a single name, which lies below no root. What
// it was called below one is a name that is gone, which its folder reported.
// Other programs on the file system link and unlink files all the time: git,
// package managers, mail servers.
func (m *mount) elsewhere(fd int, st unix.Stat_t) bool {
	path, there, err := where(fd, st)
	if err != nil || path == "" || there.Nlink != 1 {
		return false
	}
	return !slices.ContainsFunc(m.roots, func(r root) bool {
		_, inside := below(path, r.path)
		return inside
	})
}

func (m *mount) close() {
	if m.fd >= 0 {
		_ = unix.Close(m.fd)
		m.fd = -1
	}
}
