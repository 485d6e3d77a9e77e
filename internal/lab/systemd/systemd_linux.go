// Package systemd runs a Debian system with a real systemd, for tests of packages and
// units. It is no machine of its own: process 1 and all that it starts live in
// namespaces of this one, with a network that reaches nothing, and a root whose
// changes are thrown away. It needs root, and what make beds prepares.
//
// It leaves out storage and kernels: see internal/lab/vm.
package systemd

import (
	"context"
	_ "embed" // of how the system starts
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bkp/internal/lab/bed"
)

//go:embed files/boot
var boot string

// System is a system that is not started yet. Make one with New.
type System struct {
	// Job is a folder that the system sees as /job, to give it files and to take some.
	Job string

	dir, root, debs string
}

// New prepares a system. The test is skipped unless BKP_BEDS=1 (make test-beds).
func New(t *testing.T) System {
	t.Helper()
	bed.Needed(t)
	if os.Geteuid() != 0 {
		t.Fatal("namespaces with their mounts need root")
	}
	// Beside the beds, not in a temporary folder: that may be no place for an overlay.
	dir, err := os.MkdirTemp("", "bkp-systemd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := System{Job: filepath.Join(dir, "job"), dir: dir, root: bed.Stage(t, "root"), debs: bed.Stage(t, "systemd")}
	if err := errors.Join(os.Mkdir(s.Job, 0o755), os.WriteFile(filepath.Join(dir, "boot"), []byte(boot), 0o600)); err != nil {
		t.Fatal(err)
	}
	return s
}

// Run starts the system, runs a script of bash in it as root, once systemd has
// started everything, and waits until it is off. It returns what the script printed
// and its exit code.
func (s System) Run(ctx context.Context, script string) (out string, code int, err error) {
	if err := os.WriteFile(filepath.Join(s.Job, "cmd"), []byte(script), 0o600); err != nil {
		return "", 0, err
	}
	group, err := newGroup()
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, group.remove()) }()
	console, err := os.Create(filepath.Join(s.dir, "console"))
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = console.Close() }()
	// The shell is in the group before it makes the namespace that begins there.
	const enter = `echo $$ >"$1/cgroup.procs" && shift && exec unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child --propagation private sh "$@"`
	cmd := exec.CommandContext(ctx, "sh", "-c", enter, "sh", string(group), filepath.Join(s.dir, "boot"), s.root, s.dir, s.Job, s.debs)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 10 * time.Second
	ran := cmd.Run()
	text, _ := os.ReadFile(filepath.Join(s.Job, "out"))
	rc, err := os.ReadFile(filepath.Join(s.Job, "rc"))
	if err != nil {
		words, _ := os.ReadFile(filepath.Join(s.dir, "console"))
		return string(text), 0, errors.Join(fmt.Errorf("the system ended without a result: %s", words), ran, ctx.Err())
	}
	code, err = strconv.Atoi(strings.TrimSpace(string(rc)))
	return string(text), code, err
}

// group is a folder of the second version of control groups.
type group string

// newGroup makes the group that a system has for its own, wherever this machine has
// that hierarchy mounted.
func newGroup() (group, error) {
	for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if err := unix.Statfs(top, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			dir, err := os.MkdirTemp(top, "bkp-systemd-")
			return group(dir), err
		}
	}
	return "", errors.New("no control groups of version 2 are mounted")
}

// remove removes the group and those in it. What ran there has ended with its process 1,
// and is gone a moment later.
func (g group) remove() error {
	var err error
	for range 100 {
		err = g.removeOnce()
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func (g group) removeOnce() error {
	var dirs []string
	err := filepath.WalkDir(string(g), func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	for i := len(dirs) - 1; i >= 0 && err == nil; i-- {
		err = os.Remove(dirs[i])
	}
	return err
}
