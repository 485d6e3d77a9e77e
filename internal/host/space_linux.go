package host

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// shared names the file systems that other machines write to, by the numbers
// of statfs(2).
var shared = map[uint32]string{
	unix.NFS_SUPER_MAGIC:   "nfs",
	unix.SMB_SUPER_MAGIC:   "smb",
	unix.CIFS_SUPER_MAGIC:  "cifs",
	unix.SMB2_SUPER_MAGIC:  "smb",
	unix.AFS_SUPER_MAGIC:   "afs",
	unix.CODA_SUPER_MAGIC:  "coda",
	unix.V9FS_MAGIC:        "9p",
	unix.FUSE_SUPER_MAGIC:  "fuse",
	unix.CEPH_SUPER_MAGIC:  "ceph",
	unix.OCFS2_SUPER_MAGIC: "ocfs2",
	gfs2Magic:              "gfs2",
	lustreMagic:            "lustre",
	beegfsMagic:            "beegfs",
	gpfsMagic:              "gpfs",
}

// Numbers that golang.org/x/sys lacks; from the file systems' own headers and
// stat(1) of coreutils.
const (
	gfs2Magic   = 0x01161970
	lustreMagic = 0x0BD00BD0
	beegfsMagic = 0x19830326
	gpfsMagic   = 0x47504653
)

func statfs(path string) (Space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Space{}, fmt.Errorf("%s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Space{}, fmt.Errorf("%s: %w", path, err)
	}
	space := Space{
		Filesystem: fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)),
		Shared:     shared[uint32(s.Type)],
		Free:       s.Bavail * uint64(s.Bsize),
		Inodes:     s.Ffree,
	}
	if space.Shared == "nfs" {
		space.Export = export(path)
	}
	return space, nil
}

// IsShared reports whether an open file lies on a file system that other machines
// write to as well. One that cannot be asked is taken for one of this machine.
func IsShared(f *os.File) bool {
	var s unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &s) == nil && shared[uint32(s.Type)] != ""
}
