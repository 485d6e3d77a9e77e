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
		f, err := os.Open(v.Root)
		if err == nil {
			err = errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
		}
		if err != nil {
			return problem.Wrapf(err, "volume cannot be written to its disk", "look for errors of the disk in the kernel's log", "%s at %s", v.Name, v.Root)
		}
	}
	return nil
}
