package aws

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// copySparse copies what of src is no hole.
func copySparse(dst, src *os.File) error {
	fi, err := src.Stat()
	if err != nil {
		return err
	}
	if err := dst.Truncate(fi.Size()); err != nil {
		return err
	}
	for at := int64(0); at < fi.Size(); {
		data, err := unix.Seek(int(src.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // the rest is a hole
		}
		if err != nil {
			return err
		}
		hole, err := unix.Seek(int(src.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(dst, data), io.NewSectionReader(src, data, hole-data)); err != nil {
			return err
		}
		at = hole
	}
	return nil
}

func run(argv ...string) (string, error) {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput() //nolint:noctx // it takes a moment
	if err != nil {
		return "", fmt.Errorf("%v: %w\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func makeFileSystem(image, kind string, size int64) error {
	f, err := os.OpenFile(image, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return err
	}
	_, err = run("mkfs."+kind, "-q", image)
	return err
}

// again repeats what other tests may be in the way of: a machine has few loop devices.
func again(argv ...string) (string, error) {
	const patience = 2 * time.Minute
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	for {
		out, err := run(argv...)
		if err == nil || time.Now().After(deadline) {
			return out, err
		}
		<-tick.C
	}
}

func attachLoop(image string) (string, error) { return again("losetup", "--find", "--show", image) }

func detachLoop(loop string) { _, _ = again("losetup", "--detach", loop) }

func mount(device, point string) error {
	_, err := again("mount", device, point)
	return err
}

func numbers(device string) (major, minor int, err error) {
	var st unix.Stat_t
	if err := unix.Stat(device, &st); err != nil {
		return 0, 0, err
	}
	return int(unix.Major(st.Rdev)), int(unix.Minor(st.Rdev)), nil
}

// inUse reports whether a device is mounted somewhere.
func inUse(loop string) bool {
	major, minor, err := numbers(loop)
	if err != nil {
		return false
	}
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Major != major || m.Minor != minor, false })
	return err == nil && len(mounts) > 0
}

// release unmounts and removes all disks. It is called once the calls have ended.
func (w *World) release() error {
	var all error
	for loop := range w.loops {
		thaw(loop)
		if inUse(loop) {
			_, err := again("umount", "--all-targets", loop)
			all = errors.Join(all, err)
		}
		_, err := again("losetup", "--detach", loop)
		all = errors.Join(all, err)
	}
	return all
}

// thaw ends a freeze that a test left: otherwise its file system could never be
// unmounted.
func thaw(loop string) {
	mounts, _ := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Source != loop, false })
	for _, m := range mounts {
		_ = exec.Command("fsfreeze", "--unfreeze", m.Mountpoint).Run() //nolint:noctx // it takes a moment
	}
}
