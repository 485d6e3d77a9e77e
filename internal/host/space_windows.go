package host

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

func statfs(path string) (Space, error) {
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return Space{}, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(p, &free, nil, nil); err != nil {
		return Space{}, err
	}
	return Space{Filesystem: filepath.VolumeName(path), Free: free}, nil
}
