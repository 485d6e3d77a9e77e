package lvm

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/lab/vm"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
)

const id = providers.BackupID("test-20261122T214431Z")

var tag = snapshot.Tag{Backup: id, Address: "home.lvm.x", Owner: "0123abcd"}

func run(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err, problem.Remedy(err))
	}
}

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
	c := Config{SnapshotSize: "20%", MaxUsed: 80}
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
			ok(t, os.MkdirAll(filepath.Join(home, "in", "side"), 0o755))
			ok(t, os.WriteFile(filepath.Join(home, "in", "side", "file"), []byte("before"), 0o600))
			ok(t, os.WriteFile(filepath.Join(store, "file"), []byte("before"), 0o600))
			s := newStorage()
			v, rel, err := s.Find(t.Context(), filepath.Join(home, "in", "side"))
			ok(t, err)
			if v.Name != r.group+"/home" || v.Root != home || rel != "in/side" {
				t.Errorf("found %+v, %q", v, rel)
			}
			w, rel, err := s.Find(t.Context(), store)
			ok(t, err)
			if rel != "" || w.ID == v.ID {
				t.Errorf("found %+v, %q", w, rel)
			}
			volumes := []snapshot.Volume{v, w}
			if s.Atomic(volumes) {
				t.Error("two volumes count as one instant")
			}
			findings, err := s.Check(t.Context(), volumes)
			ok(t, err)
			if len(findings) > 0 {
				t.Errorf("findings: %v", findings)
			}
			ok(t, s.Prepare(t.Context(), tag, volumes))
			taken, err := s.Take(t.Context(), tag, volumes)
			ok(t, err)
			ok(t, os.WriteFile(filepath.Join(home, "in", "side", "file"), []byte("after"), 0o600))
			ok(t, os.Remove(filepath.Join(store, "file")))
			s = newStorage() // a new process
			set := oneSet(t, s)
			if set.Kept() || len(set.Snapshots) != 2 || set.Snapshots[0].ID != taken[0].ID && set.Snapshots[1].ID != taken[0].ID {
				t.Errorf("set %+v", set)
			}
			var mounted []string
			for i, file := range []string{"in/side/file", "file"} {
				at := filepath.Join(t.TempDir(), "at")
				ok(t, os.Mkdir(at, 0o700))
				ok(t, s.Mount(t.Context(), taken[i], at))
				mounted = append(mounted, at)
				if text, err := os.ReadFile(filepath.Join(at, file)); err != nil || string(text) != "before" {
					t.Errorf("the snapshot holds %q, %v", text, err)
				}
				if err := os.WriteFile(filepath.Join(at, "x"), nil, 0o600); err == nil {
					t.Error("the snapshot can be written to")
				}
				ok(t, s.Release(t.Context(), taken[i])) // in use, so that it stays
			}
			if err := s.Delete(t.Context(), set); err == nil || !strings.Contains(err.Error(), cannotRemove) {
				t.Errorf("removed while it is mounted: %v", err)
			}
			for i, at := range mounted {
				run(t, "umount", at)
				ok(t, s.Release(t.Context(), taken[i]))
				ok(t, s.Release(t.Context(), taken[i]))
			}
			manifest := []byte(strings.Repeat(`{"id": "x", "a long manifest": "`+string(id)+`"}`, 200))
			for range 2 {
				ok(t, s.Keep(t.Context(), oneSet(t, s), manifest))
			}
			if set = oneSet(t, s); string(set.Manifest) != string(manifest) {
				t.Errorf("the manifest is %d bytes, want %d", len(set.Manifest), len(manifest))
			}
			ok(t, s.Keep(t.Context(), set, []byte("short")))
			if set = oneSet(t, s); string(set.Manifest) != "short" {
				t.Errorf("the manifest is %q", set.Manifest)
			}
			for _, sn := range set.Snapshots {
				ok(t, s.Intact(t.Context(), sn))
			}
			for range 2 {
				ok(t, s.Delete(t.Context(), set))
			}
			if left, _, err := s.Sets(t.Context()); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			var p *problem.Problem
			if err := s.Intact(t.Context(), taken[0]); !errors.As(err, &p) || p.Summary != missing {
				t.Errorf("a snapshot that is gone: %v", err)
			}
		})
	}
}

func oneSet(t *testing.T, s *storage) snapshot.Set {
	t.Helper()
	sets, findings, err := s.Sets(t.Context())
	ok(t, err)
	if len(sets) != 1 || len(findings) > 0 || sets[0].Tag != tag {
		t.Fatalf("sets %+v, findings %v", sets, findings)
	}
	return sets[0]
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
