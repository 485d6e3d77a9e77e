//go:build unix && !linux

package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// SyncFilesystem makes every file system safe on disk: one alone cannot be.
func SyncFilesystem(*os.File) error { return unix.Sync() }
