package host

import (
	"fmt"

	"golang.org/x/sys/unix"
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
	return Space{
		Filesystem: fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)),
		Free:       s.Bavail * uint64(s.Bsize),
		Inodes:     s.Ffree,
	}, nil
}
