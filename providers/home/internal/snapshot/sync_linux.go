package snapshot

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"bkp/internal/problem"
)

// Sync brings to the disk what the file systems of volumes have in memory. Each
// takes as long as the disk does, and only between two of them the context counts.
func Sync(ctx context.Context, volumes []Volume) error {
	for _, v := range volumes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if v.Root == "" {
			continue
		}
		if err := SyncAt(v.Root); err != nil {
			return problem.Wrapf(err, "volume cannot be written to its disk", "look for errors of the disk in the kernel's log", "%s at %s", v.Name, v.Root)
		}
	}
	return nil
}

// SyncAt brings to the disk what the file system of a folder has in memory.
func SyncAt(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return errors.Join(&os.PathError{Op: "syncfs", Path: dir, Err: err}, f.Close())
	}
	return f.Close()
}
