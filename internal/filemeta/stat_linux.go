package filemeta

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func fromSys(st *syscall.Stat_t) Meta {
	return Meta{
		Mode: fileMode(st.Mode), UID: st.Uid, GID: st.Gid, HasOwner: true,
		Size: st.Size, Allocated: st.Blocks * 512,
		ModTime: time.Unix(st.Mtim.Unix()), ChangeTime: time.Unix(st.Ctim.Unix()),
		ID: ID{Dev: st.Dev, Ino: st.Ino}, Links: uint64(st.Nlink), //nolint:unconvert // 32 bits on arm64
		Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev),
	}
}

func fromStat(st *unix.Stat_t) Meta {
	return Meta{
		Mode: fileMode(st.Mode), UID: st.Uid, GID: st.Gid, HasOwner: true,
		Size: st.Size, Allocated: st.Blocks * 512,
		ModTime: time.Unix(st.Mtim.Unix()), ChangeTime: time.Unix(st.Ctim.Unix()),
		ID: ID{Dev: st.Dev, Ino: st.Ino}, Links: uint64(st.Nlink), //nolint:unconvert // 32 bits on arm64
		Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev),
	}
}
