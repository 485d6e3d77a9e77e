package trouble_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bkp/internal/cli"
	"bkp/internal/lab/loopfs"
)

// fill takes all space of a file system, to the last block, and returns what
// gives it back.
func fill(t *testing.T, point string) func() {
	t.Helper()
	path := filepath.Join(point, "filler")
	f, err := os.Create(path)
	must(t, err)
	defer func() { _ = f.Close() }()
	for size := 1 << 20; size >= 512; {
		_, err := f.Write(make([]byte, size))
		if err == nil {
			err = f.Sync()
		}
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		if err != nil {
			size /= 2
		}
	}
	return func() { must(t, os.Remove(path)) }
}

// onDisks gives the state folder or the archives a small file system.
func (r *rig) onDisks(t *testing.T) (state, archives string) {
	t.Helper()
	state, archives = loopfs.MountSize(t, "ext4", 96<<20), loopfs.MountSize(t, "ext4", 96<<20)
	r.state, r.archives = filepath.Join(state, "bkp"), filepath.Join(archives, "bkp")
	return state, archives
}

// TestDiskFillsUp under the state folder, which holds the working copy, the
// dump, journal, catalog and log, and under the archives, at every phase.
func TestDiskFillsUp(t *testing.T) {
	r := newRig(t)
	state, archives := r.onDisks(t)
	// What changes needs space.
	if code, said := r.apply(t, nil).wait(t); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	for name, point := range map[string]string{"state": state, "archives": archives} {
		t.Run(name, func(t *testing.T) {
			failed := 0
			for i, m := range moments {
				// Those before the unlock matter to the record, and those after to
				// the archive.
				if name == "archives" {
					i++
				}
				if !sampled(i, 2) {
					continue
				}
				t.Run(m.name, func(t *testing.T) {
					r.push(t)
					var free func()
					code, said := r.at(t, m, func(*process) { free = fill(t, point) })
					r.free(t, said)
					if code != cli.ExitDone && code != cli.ExitFailed && code != cli.ExitAfterCapture && code != cli.ExitLost {
						t.Errorf("exit code %d:\n%s", code, said)
					}
					if code != cli.ExitDone {
						failed++
						// A run that first cleans up after the one before may come to the
						// moment there, and then find the disk full at plan time.
						why := strings.ToLower(said)
						if !strings.Contains(why, "no space left on device") && !strings.Contains(why, "not enough disk space") {
							t.Errorf("it does not say why:\n%s", said)
						}
					}
					free()
				})
			}
			if failed == 0 {
				t.Error("no run failed: the test did not come to it")
			}
			t.Logf("%d runs failed", failed)
			r.sound(t)
		})
	}
}

// push lets a user write, so that the next pass and the next dump have
// something to do.
func (r *rig) push(t *testing.T) {
	t.Helper()
	dir := filepath.Join(r.dir, "home", "shared", "data", "attachments")
	must(t, os.MkdirAll(dir, 0o750))
	for n := range 20 {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("a", n)), noise(8<<10), 0o640))
	}
	r.pushes++
	must(t, r.pg.Exec(t.Context(), "bitbucket", fmt.Sprintf("CREATE TABLE more_%d AS SELECT n, md5(n::text || random()) AS text FROM generate_series(1, 2000) AS n", r.pushes)))
}

func noise(n int) []byte {
	b := make([]byte, n)
	f, err := os.Open("/dev/urandom")
	if err == nil {
		_, _ = f.Read(b)
		_ = f.Close()
	}
	return b
}

// breakDisk does what an error of the disk does: the file system turns
// read-only at once, whatever is open on it.
func breakDisk(t *testing.T, point string) {
	t.Helper()
	device, err := exec.CommandContext(t.Context(), "findmnt", "-n", "-o", "SOURCE", point).Output()
	must(t, err)
	must(t, os.WriteFile(filepath.Join("/sys/fs/ext4", filepath.Base(strings.TrimSpace(string(device))), "trigger_fs_error"), []byte("broken by a test"), 0))
	if err := os.WriteFile(filepath.Join(point, "probe"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Fatalf("%s is still writable: %v", point, err)
	}
}

// TestDiskTurnsReadOnly half-way, under the state folder or the archives. A new
// disk takes the broken one's place afterwards.
func TestDiskTurnsReadOnly(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"state", "archives"} {
		t.Run(name, func(t *testing.T) {
			for i, m := range moments {
				if !sampled(i, 2) {
					continue
				}
				t.Run(m.name, func(t *testing.T) {
					state, archives := r.onDisks(t)
					point := map[string]string{"state": state, "archives": archives}[name]
					must(t, exec.CommandContext(t.Context(), "mount", "-o", "remount,errors=remount-ro", point).Run())
					r.push(t)
					code, said := r.at(t, m, func(*process) { breakDisk(t, point) })
					r.free(t, said)
					if code != cli.ExitDone && code != cli.ExitFailed && code != cli.ExitAfterCapture && code != cli.ExitLost {
						t.Errorf("exit code %d:\n%s", code, said)
					}
					if code != cli.ExitDone && !strings.Contains(strings.ToLower(said), "read-only file system") && !strings.Contains(strings.ToLower(said), "input/output error") {
						t.Errorf("it does not say why:\n%s", said)
					}
					if code == cli.ExitDone && name == "state" && m.name != "prune" {
						t.Errorf("a run whose record cannot be written ended well:\n%s", said)
					}
				})
			}
		})
	}
}
