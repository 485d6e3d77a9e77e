package filemeta

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func fromSys(st *syscall.Stat_t) Meta {
	return Meta{
		Mode: fileMode(uint32(st.Mode)), UID: st.Uid, GID: st.Gid, HasOwner: true,
		Size: st.Size, Allocated: st.Blocks * 512,
		ModTime: time.Unix(st.Mtimespec.Unix()), ChangeTime: time.Unix(st.Ctimespec.Unix()),
		ID: ID{Dev: uint64(uint32(st.Dev)), Ino: st.Ino}, Links: uint64(st.Nlink), //nolint:gosec // a device number's bits
		Major: unix.Major(uint64(uint32(st.Rdev))), Minor: unix.Minor(uint64(uint32(st.Rdev))), //nolint:gosec // likewise
	}
}

func fromStat(st *unix.Stat_t) Meta {
	return Meta{
		Mode: fileMode(uint32(st.Mode)), UID: st.Uid, GID: st.Gid, HasOwner: true,
		Size: st.Size, Allocated: st.Blocks * 512,
		ModTime: time.Unix(st.Mtim.Unix()), ChangeTime: time.Unix(st.Ctim.Unix()),
		ID: ID{Dev: uint64(uint32(st.Dev)), Ino: st.Ino}, Links: uint64(st.Nlink), //nolint:gosec // a device number's bits
		Major: unix.Major(uint64(uint32(st.Rdev))), Minor: unix.Minor(uint64(uint32(st.Rdev))), //nolint:gosec // likewise
	}
}
