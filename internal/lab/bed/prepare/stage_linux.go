package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
)

// workshop makes stages in a cache.
type workshop struct {
	cache string
	// lock is inherited by all tools.
	lock *os.File
	// apt is the configuration of apt, "" until it is needed.
	apt string
}

// stage is a folder of the cache that was made from something.
type stage struct{ dir, digest string }

func (s stage) file(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

// digestFile holds the digest of what a stage was made from.
const digestFile = ".made-from"

// stage returns the stage of a name, made anew by build if it is not there or was
// made from something else. Build gets a folder that becomes the stage when all of
// it is there.
func (w *workshop) stage(ctx context.Context, name string, from []string, build func(ctx context.Context, dir string) error) (stage, error) {
	sum := sha256.Sum256([]byte(strings.Join(from, "\x00")))
	s := stage{dir: filepath.Join(w.cache, name), digest: hex.EncodeToString(sum[:])}
	if had, err := os.ReadFile(s.file(digestFile)); err == nil && string(had) == s.digest {
		return s, nil
	}
	begun := time.Now()
	say("%s …", name)
	tmp := s.dir + ".tmp"
	if err := remove(tmp); err != nil {
		return stage{}, err
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return stage{}, err
	}
	if err := build(ctx, tmp); err != nil {
		return stage{}, fmt.Errorf("%s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(tmp, digestFile), []byte(s.digest), 0o644); err != nil {
		return stage{}, err
	}
	if err := errors.Join(remove(s.dir), os.Rename(tmp, s.dir)); err != nil {
		return stage{}, err
	}
	say("%s: %s", name, time.Since(begun).Round(100*time.Millisecond))
	return s, nil
}

// rootStage is a stage that only root can make.
func (w *workshop) rootStage(ctx context.Context, name string, from []string, build func(ctx context.Context, dir string) error) (stage, error) {
	return w.stage(ctx, name, from, func(ctx context.Context, dir string) error {
		if os.Geteuid() != 0 {
			return errors.New("it has to be made, which needs root: sudo make beds")
		}
		return build(ctx, dir)
	})
}

// remove removes a folder of the cache. In a root that is being made, /proc, /sys
// and /dev of this machine may be mounted: what is behind a mount stays.
func remove(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	if len(mounts) > 0 {
		return fmt.Errorf("%s cannot be removed: something is mounted at %s; unmount it, or restart the machine", dir, mounts[0].Mountpoint)
	}
	return os.RemoveAll(dir)
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "beds: "+format+"\n", args...) }

// run runs a tool and all that it starts until it ends or the context does. What
// it printed is in the error.
func (w *workshop) run(ctx context.Context, argv ...string) error {
	_, err := w.output(ctx, argv...)
	return err
}

func (w *workshop) output(ctx context.Context, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	if w.apt != "" {
		cmd.Env = append(cmd.Env, "APT_CONFIG="+w.apt)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.ExtraFiles = []*os.File{w.lock}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(argv, " "), err, end(string(out)), end(said.String()))
	}
	return string(out), nil
}

// end is the end of a long text.
func end(text string) string {
	const shown = 3000
	return text[max(len(text)-shown, 0):]
}

// tools installs packages of tools that are missing on this machine.
func (w *workshop) tools(ctx context.Context, tools map[string]string) error {
	argv := []string{"apt-get", "install", "-y", "--no-install-recommends"}
	missing := len(argv)
	for tool, pkg := range tools {
		if _, err := exec.LookPath(tool); errors.Is(err, exec.ErrNotFound) {
			argv = append(argv, pkg)
		} else if err != nil {
			return err
		}
	}
	if len(argv) == missing {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("please install: sudo %s", strings.Join(argv, " "))
	}
	// The machine's own apt, not the one with contrib.
	plain := &workshop{lock: w.lock}
	if err := plain.run(ctx, "apt-get", "update", "-q"); err != nil {
		return err
	}
	return plain.run(ctx, argv...)
}
