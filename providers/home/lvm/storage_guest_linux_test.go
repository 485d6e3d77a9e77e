package lvm

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/lab/vm"
	"bkp/internal/problem"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/home/internal/snapshottest"
)

// suite is what holds of all storages.
var suite = snapshottest.Suite{Type: "lvm", Open: openTest, Storage: func() snapshot.Storage { return newStorage() }}

var tag = suite.Tag()

func run(t testing.TB, argv ...string) string { t.Helper(); return snapshottest.Run(t, argv...) }

func ok(t testing.TB, err error) { t.Helper(); snapshottest.OK(t, err) }

func oneSet(t *testing.T, s *storage) snapshot.Set { t.Helper(); return suite.OneSet(t, s) }

// rig is a group of volumes in a guest.
type rig struct {
	group string
	thin  bool
}

// kinds are the volumes that there are.
var kinds = map[string]bool{"classic": false, "thin": true}

// newRig makes a group on a disk of the guest, with a thin pool of a size if it is
// thin. It is gone at the end of the test.
func newRig(t *testing.T, disk int, thin bool) rig {
	t.Helper()
	r := rig{group: "vg" + strconv.Itoa(disk), thin: thin}
	run(t, "vgcreate", r.group, vm.Disks()[disk])
	t.Cleanup(func() {
		run(t, "vgremove", "--force", "--yes", r.group)
		run(t, "pvremove", "--force", "--yes", vm.Disks()[disk])
	})
	if thin {
		run(t, "lvcreate", "--yes", "--type", "thin-pool", "--size", "1200M", "--name", "pool", r.group)
	}
	return r
}

// volume makes a volume with a file system, and mounts it.
func (r rig) volume(t *testing.T, name, fstype string, mib int) string {
	t.Helper()
	size := strconv.Itoa(mib) + "M"
	if r.thin {
		run(t, "lvcreate", "--yes", "--virtualsize", size, "--thinpool", "pool", "--name", name, r.group)
	} else {
		run(t, "lvcreate", "--yes", "--size", size, "--name", name, r.group)
	}
	dev := "/dev/" + r.group + "/" + name
	run(t, "mkfs."+fstype, "-q", dev)
	at := filepath.Join(t.TempDir(), name)
	ok(t, os.Mkdir(at, 0o755))
	run(t, "mount", dev, at)
	_ = os.Remove(filepath.Join(at, "lost+found")) // the file system's own, which no backup holds
	t.Cleanup(func() {
		run(t, "umount", at)
		run(t, "lvremove", "--force", "--yes", r.group+"/"+name) // with its snapshots
	})
	return at
}

func newStorage() *storage {
	c := Config{Options: defaults()}
	return &storage{tool: tool{&host.Host{}}, config: c}
}

func write(t *testing.T, path string, mib int) {
	t.Helper()
	run(t, "dd", "if=/dev/urandom", "of="+path, "bs=1M", "count="+strconv.Itoa(mib), "conv=fsync")
}

// TestGuestStorage takes the steps of a backup, on volumes of either kind and on both
// file systems.
func TestGuestStorage(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{2 << 30}}) {
		return
	}
	for name, thin := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 0, thin)
			home, store := r.volume(t, "home", "xfs", 400), r.volume(t, "store", "ext4", 300)
			s := newStorage()
			volumes := snapshottest.Find(t, s, home, store)
			if volumes[0].Name != r.group+"/home" || s.Atomic(volumes) {
				t.Errorf("found %+v, at one instant: %v", volumes, s.Atomic(volumes))
			}
			stays(t, s, volumes)
			suite.Steps(t, home, store)
		})
	}
}

// stays: what is mounted is neither released nor removed.
func stays(t *testing.T, s *storage, volumes []snapshot.Volume) {
	t.Helper()
	taken := suite.Take(t, s, volumes)
	at := t.TempDir()
	ok(t, s.Mount(t.Context(), taken[0], at))
	ok(t, s.Release(t.Context(), taken[0]))
	if err := s.Delete(t.Context(), oneSet(t, s)); err == nil || !strings.Contains(err.Error(), cannotRemove) {
		t.Errorf("removed while it is mounted: %v", err)
	}
	run(t, "umount", at)
	ok(t, s.Release(t.Context(), taken[0]))
	ok(t, s.Delete(t.Context(), oneSet(t, s)))
}

// TestGuestOverflow fills a snapshot for real: it is invalid, its mount stays, and
// reading it is an error.
func TestGuestOverflow(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{2 << 30}}) {
		return
	}
	r := newRig(t, 0, false)
	home := r.volume(t, "home", "xfs", 400)
	write(t, filepath.Join(home, "a"), 40)
	s := newStorage()
	s.config.SnapshotSize = "16MiB"
	v, _, err := s.Find(t.Context(), home)
	ok(t, err)
	ok(t, s.Prepare(t.Context(), tag, []snapshot.Volume{v}))
	taken, err := s.Take(t.Context(), tag, []snapshot.Volume{v})
	ok(t, err)
	at := filepath.Join(t.TempDir(), "at")
	ok(t, os.Mkdir(at, 0o700))
	ok(t, s.Mount(t.Context(), taken[0], at))
	ok(t, s.Intact(t.Context(), taken[0]))
	write(t, filepath.Join(home, "b"), 60)
	ok(t, os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0))
	if _, err := os.ReadFile(filepath.Join(at, "a")); err == nil {
		t.Error("a snapshot that overflowed can be read")
	}
	if out := run(t, "findmnt", "--noheadings", at); out == "" {
		t.Error("the snapshot was unmounted")
	}
	var p *problem.Problem
	if err := s.Intact(t.Context(), taken[0]); !errors.As(err, &p) || p.Summary != overflowed || p.Remedy == "" {
		t.Errorf("got %v", err)
	}
	if err := s.Mount(t.Context(), taken[0], t.TempDir()); !errors.As(err, &p) || p.Summary != overflowed {
		t.Errorf("mounted again: %v", err)
	}
	run(t, "umount", at)
	ok(t, s.Delete(t.Context(), oneSet(t, s)))
}

// TestGuestFull makes a group without space and a pool that is nearly full.
func TestGuestFull(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{1500 << 20}}) {
		return
	}
	for name, c := range map[string]struct {
		thin bool
		want string
	}{"classic": {false, "volume group has no space for a snapshot"}, "thin": {true, "thin pool is nearly full"}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 0, c.thin)
			home := r.volume(t, "home", "ext4", 1180)
			if c.thin {
				write(t, filepath.Join(home, "large"), 980)
			} else {
				run(t, "lvcreate", "--yes", "--extents", "100%FREE", "--name", "rest", r.group)
			}
			s := newStorage()
			v, _, err := s.Find(t.Context(), home)
			ok(t, err)
			findings, err := s.Check(t.Context(), []snapshot.Volume{v})
			ok(t, err)
			if len(findings) != 1 || findings[0].Summary != c.want {
				t.Errorf("findings %v", findings)
			}
			if err := s.Prepare(t.Context(), tag, []snapshot.Volume{v}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("prepared: %v", err)
			}
		})
	}
}

// TestGuestElsewhere: what is no volume of LVM, or another than declared, is refused.
func TestGuestElsewhere(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{1 << 30, 1 << 30}}) {
		return
	}
	r := newRig(t, 0, false)
	home := r.volume(t, "home", "ext4", 300)
	run(t, "mkfs.ext4", "-q", vm.Disks()[1])
	plain := t.TempDir()
	run(t, "mount", vm.Disks()[1], plain)
	t.Cleanup(func() { run(t, "umount", plain) })
	s := newStorage()
	if _, _, err := s.Find(t.Context(), plain); err == nil || problem.Remedy(err) == "" {
		t.Errorf("a plain disk: %v", err)
	}
	s.config.Volumes = []string{"other/volume"}
	if _, _, err := s.Find(t.Context(), home); err == nil || problem.Remedy(err) == "" {
		t.Errorf("another volume: %v", err)
	}
}
