package awsebs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
)

// The requests of the kernel that fsfreeze makes, too: FIFREEZE and FITHAW.
const (
	freezeRequest = 0xC0045877
	thawRequest   = 0xC0045878
)

// deadline is when the separate process thaws, in seconds, whatever became of bkp.
const deadline = 10

// thawer waits for the end of its input, or for the deadline, and thaws. It is started
// before anything is frozen, and reads nothing of the file systems that are.
const thawer = `timeout "$0" cat >/dev/null; for m; do fsfreeze --unfreeze "$m" 2>/dev/null; done; true`

// freeze freezes file systems, all or none, and returns what thaws them. A process of
// its own thaws them, too, when bkp dies, hangs or takes too long.
func (*storage) freeze(roots []string) (thaw func() error, err error) {
	helper, in, err := startThawer(roots, deadline)
	if err != nil {
		return nil, problem.Wrap(err, "file system cannot be frozen", `install util-linux and coreutils, or set freeze to "sync"`)
	}
	frozen, err := freezeAll(roots)
	thaw = func() error { return errors.Join(thawAll(frozen), in.Close(), helper.Wait()) }
	if err != nil {
		return nil, errors.Join(err, thaw())
	}
	return thaw, nil
}

// startThawer starts the process that thaws, after so many seconds at the latest. Who closes in lets it thaw and end.
func startThawer(roots []string, seconds int) (helper *exec.Cmd, in io.Closer, err error) {
	helper = exec.Command("sh", append([]string{"-c", thawer, strconv.Itoa(seconds)}, roots...)...) //nolint:noctx // it must outlive this process
	helper.Dir = "/"
	helper.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if in, err = helper.StdinPipe(); err != nil {
		return nil, nil, err
	}
	return helper, in, helper.Start()
}

// freezeAll returns those that it froze, also with an error.
func freezeAll(roots []string) (frozen []*os.File, err error) {
	for _, root := range roots {
		f, err := os.Open(root)
		if err == nil {
			if err = request(f, freezeRequest); err != nil {
				err = errors.Join(err, f.Close())
			}
		}
		if err != nil {
			return frozen, problem.Wrapf(err, "file system cannot be frozen", `find out who else freezes it, or set freeze to "sync"`, "%s", root)
		}
		frozen = append(frozen, f)
	}
	return frozen, nil
}

func request(f *os.File, what uint) error { return unix.IoctlSetInt(int(f.Fd()), what, 0) }

// thawAll thaws. That a file system is not frozen any more means that the deadline
// has passed: something may have been written before the snapshot.
func thawAll(frozen []*os.File) error {
	var all error
	for _, f := range frozen {
		if err := request(f, thawRequest); err != nil {
			all = errors.Join(all, problem.Wrapf(err, "file system was thawed too early", "find out why Amazon took so long to answer, and run again", "%s, after %d seconds", f.Name(), deadline))
		}
		all = errors.Join(all, f.Close())
	}
	return all
}

// frozen are the mounts that Take may freeze.
func (s *storage) frozen() []string {
	if s.config.Freeze != freezeFull {
		return nil
	}
	var out []string
	for _, dir := range append([]string{s.config.Path}, s.config.DataStores...) {
		if h, err := snapshot.HolderOf(dir); err == nil && h.Root != "" {
			out = append(out, h.Root)
		}
	}
	return out
}

// checkFreeze refuses to freeze what bkp itself needs meanwhile: nobody could thaw it.
func (s *storage) checkFreeze(volumes []snapshot.Volume) error {
	if s.config.Freeze != freezeFull {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("path of this program: %w", err)
	}
	for _, v := range volumes {
		for _, need := range s.needed(program) {
			h, err := snapshot.HolderOf(existing(need))
			if err != nil {
				return err
			}
			if v.Root != "" && home.Within(h.Mountpoint, v.Root) && h.Root == v.Root {
				return problem.New("file system must not be frozen", fmt.Sprintf("%s, at %s, holds %s, without which nobody could thaw it", v.Name, v.Root, need),
					`set freeze to "sync", or bring the home to a volume of its own`)
			}
		}
	}
	return nil
}

// needed are paths without which nobody could thaw. The log lies in the state folder.
func (s *storage) needed(program string) []string { return []string{"/", program, s.env.WorkDir} }

// existing is the nearest folder above a path, or itself, that is there.
func existing(path string) string {
	path = host.Resolve(path)
	for {
		if _, err := os.Lstat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

// mounted reports whether a device is mounted somewhere.
func mounted(device string) (bool, error) {
	var st unix.Stat_t
	if err := unix.Stat(device, &st); err != nil {
		return false, &os.PathError{Op: "stat", Path: device, Err: err}
	}
	major, minor := int(unix.Major(st.Rdev)), int(unix.Minor(st.Rdev))
	list, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Major != major || m.Minor != minor, false })
	return len(list) > 0, err
}
