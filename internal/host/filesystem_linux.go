package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// SyncFilesystem makes all of the file system of an open file safe on disk.
func SyncFilesystem(f *os.File) error { return unix.Syncfs(int(f.Fd())) }
