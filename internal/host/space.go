package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Space is what is free on a file system.
type Space struct {
	// Filesystem identifies it: equal for two paths on the same one.
	Filesystem string
	// Shared is the type of a file system that other machines write to as
	// well, such as nfs; "" for one of this machine alone.
	Shared string
	// Export is where it comes from; empty if it is no NFS, or nobody knows.
	Export Export
	// Free is what this user may still write, in bytes.
	Free uint64
	// Inodes still free; 0 when the file system does not count them.
	Inodes uint64
}

// Export is a folder that another machine exports.
type Export struct {
	Host, Path string
	// FromRoot is set if the path counts from a root that the server chooses (NFS
	// version 4): only on a server that exports no such root is it a path of its disk.
	FromRoot bool
}

// Space returns what is free where path lies or would lie: at the nearest
// parent that exists.
func (h *Host) Space(path string) (Space, error) {
	path, err := Existing(path)
	if err != nil {
		return Space{}, err
	}
	return statfs(path)
}

// Existing returns path, made absolute, or its nearest parent that exists.
func Existing(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(path)
		if parent == path {
			return "", err
		}
		path = parent
	}
}
