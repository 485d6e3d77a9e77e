package home

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// byUUID is where the system names disks by the UUID of their file system.
const byUUID = "/dev/disk/by-uuid"

// volumeID is the identity of a local file system, "" if it is not known. Some
// make the number that statfs gives from their UUID, which is there even where
// the system does not name disks.
func volumeID(m *mountinfo.Info) string {
	switch m.FSType {
	case "ext2", "ext3", "ext4", "btrfs", "zfs":
		var st unix.Statfs_t
		if err := unix.Statfs(m.Mountpoint, &st); err != nil {
			return ""
		}
		return fmt.Sprintf("%08x%08x", uint32(st.Fsid.Val[1]), uint32(st.Fsid.Val[0]))
	}
	var disk unix.Stat_t
	if unix.Stat(m.Source, &disk) != nil || disk.Mode&unix.S_IFMT != unix.S_IFBLK {
		return ""
	}
	names, _ := os.ReadDir(byUUID)
	for _, name := range names {
		var st unix.Stat_t
		if unix.Stat(filepath.Join(byUUID, name.Name()), &st) == nil && st.Rdev == disk.Rdev {
			return name.Name()
		}
	}
	return ""
}
