package snapshot

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers/home"
)

// Bind makes what lies at a path readable at dir, where it cannot be written. It
// is for storages whose snapshots have a path.
func Bind(path, dir string) error {
	if err := unix.Mount(path, dir, "", unix.MS_BIND, ""); err != nil {
		return mountProblem(err, path, dir)
	}
	const flags = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("", dir, "", flags, ""); err != nil {
		return errors.Join(mountProblem(err, path, dir), unix.Unmount(dir, 0))
	}
	return nil
}

// private makes dir a mount of its own, so that what is mounted below it is seen
// by no other mount namespace: a service that starts meanwhile would keep it busy.
func private(dir string) error {
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		return mountProblem(err, dir, dir)
	}
	if err := unix.Mount("", dir, "", unix.MS_PRIVATE, ""); err != nil {
		return errors.Join(mountProblem(err, dir, dir), unix.Unmount(dir, 0))
	}
	return nil
}

func mountProblem(err error, path, dir string) error {
	remedy := "see what the system's log says"
	if errors.Is(err, unix.EPERM) {
		remedy = "run bkp as root, and in a container with the right to mount"
	}
	return problem.Wrapf(err, "snapshot cannot be mounted", remedy, "%s on %s", path, dir)
}

// unmountBelow unmounts dir and all that is mounted below it, the last first. It
// does not do so lazily: those who read there by paths would find empty folders.
func unmountBelow(dir string) error {
	dir = host.Resolve(dir)
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return !home.Within(m.Mountpoint, dir), false })
	if err != nil {
		return fmt.Errorf("list of mounts: %w", err)
	}
	for _, m := range slices.Backward(mounts) {
		if err := unix.Unmount(m.Mountpoint, unix.UMOUNT_NOFOLLOW); err != nil {
			return &os.PathError{Op: "unmount", Path: m.Mountpoint, Err: err}
		}
	}
	return nil
}
