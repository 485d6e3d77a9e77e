package treesync

import (
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// bootID names the time since the machine came up: "" if the system does
// not report it.
var bootID = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
})

// cloneFile shares the content of src, holes included, where the file system
// can.
func cloneFile(dst, src *os.File) error {
	return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
}

// SyncTree makes the file system of path safe on disk.
func SyncTree(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return SyncAll(f)
}

// SyncAll makes the file system of an open folder safe on disk.
func SyncAll(f *os.File) error {
	return unix.Syncfs(int(f.Fd()))
}
