package treesync

import (
	"os"
	"strings"
	"sync"

	"bkp/internal/host"
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

// SyncTree makes the file system of path safe on disk.
func SyncTree(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return host.SyncFilesystem(f)
}
