package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/lab/vm"
	"bkp/providers"
	"bkp/providers/all"
	"bkp/providers/home/btrfs"
	"bkp/providers/home/lvm"
	"bkp/providers/home/mirror"
	"bkp/providers/home/zfs"
)

// The sizes that captures are measured at: in an emulated machine, the figure of
// interest is whether the second takes longer than the first.
var windowFiles = []int{6_200, 62_000}

const (
	// windowRounds is how often each is captured. The median counts.
	windowRounds = 5
	// windowChanges is how many files change between the live pass and the capture.
	windowChanges = 200
)

// layout is where a home lies: the first folder is the home, the others are data
// stores.
type layout struct {
	name, typ string
	volumes   int
	// make and undo are shell commands that get the folders, and VM_DISK.
	make, undo string
	config     func(dirs []string) any
}

const (
	onLVM = `vgcreate -q vg "$VM_DISK"
for at in "$@"; do
  n=$(basename "$at")
  lvcreate -q -y -L 600M -n "$n" vg && mkfs.xfs -q "/dev/vg/$n" && mkdir -p "$at" && mount "/dev/vg/$n" "$at"
done`
	offLVM  = `umount "$@"; vgremove -q -f -y vg`
	onBtrfs = `mkfs.btrfs -q -f "$VM_DISK" && mkdir -p "$1.disk" && mount "$VM_DISK" "$1.disk" && btrfs -q subvolume create "$1.disk/home" && ln -s "$1.disk/home" "$1"`
	onZFS   = `zpool create -f -o ashift=12 -O mountpoint=none tank "$VM_DISK"
for at in "$@"; do zfs create -o mountpoint="$at" "tank/$(basename "$at")"; done`
	offZFS = `zpool destroy -f tank`
)

var layouts = map[vm.Lane][]layout{
	vm.LVM: {
		{"mirror, on XFS", "mirror", 1, onLVM, offLVM, func(dirs []string) any {
			c := config("mirror").(*mirror.Config)
			c.Path = dirs[0]
			return c
		}},
		{"btrfs, one subvolume", "btrfs", 1, onBtrfs, `umount "$1.disk"; wipefs -qa "$VM_DISK"`, func(dirs []string) any {
			c := config("btrfs").(*btrfs.Config)
			c.Path = dirs[0]
			return c
		}},
		{"lvm, one volume", "lvm", 1, onLVM, offLVM, lvmConfig},
		{"lvm, three volumes", "lvm", 3, onLVM, offLVM, lvmConfig},
	},
	vm.ZFS: {
		{"zfs, one dataset", "zfs", 1, onZFS, offZFS, zfsConfig},
		{"zfs, five datasets", "zfs", 5, onZFS, offZFS, zfsConfig},
	},
}

// config is that of a home with its defaults.
func config(typ string) any {
	def, _ := all.Registry().Lookup(providers.Homes.Name(), typ)
	return def.NewConfig()
}

func lvmConfig(dirs []string) any {
	c := config("lvm").(*lvm.Config)
	c.Path, c.DataStores = dirs[0], dirs[1:]
	return c
}

func zfsConfig(dirs []string) any {
	c := config("zfs").(*zfs.Config)
	c.Path, c.DataStores = dirs[0], dirs[1:]
	return c
}

func TestLongGuestWindowsLVM(t *testing.T) { guestWindows(t, vm.LVM) }

func TestLongGuestWindowsZFS(t *testing.T) { guestWindows(t, vm.ZFS) }

// guestWindows measures what the capture of a home takes, which is all that a home adds
// to the time from DRAINED to complete, and logs rows of docs/performance.md.
func guestWindows(t *testing.T, lane vm.Lane) {
	if !vm.Inside(t, vm.Options{Lane: lane, Disks: []int64{4 << 30}, Timeout: 2 * time.Hour}) {
		return
	}
	for _, l := range layouts[lane] {
		row := []string{l.name}
		for _, files := range windowFiles {
			took := l.measure(t, files)
			row = append(row, fmt.Sprintf("**%s** (%s to %s)", took[len(took)/2], took[0], took[len(took)-1]))
		}
		t.Logf("| %s |", strings.Join(row, " | "))
	}
}

// measure captures a home of so many files several times, and returns what each took,
// sorted.
func (l layout) measure(t *testing.T, files int) []time.Duration {
	t.Helper()
	at := t.TempDir()
	var dirs []string
	for i := range l.volumes {
		dirs = append(dirs, filepath.Join(at, fmt.Sprintf("volume%d", i)))
	}
	shell := func(script string) {
		t.Helper()
		cmd := exec.Command("sh", append([]string{"-ec", script, "sh"}, dirs...)...)
		cmd.Env = append(os.Environ(), "VM_DISK="+vm.Disks()[0])
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	shell(l.make)
	defer shell(l.undo)
	for i, dir := range dirs {
		fill(t, dir, files/len(dirs), i == 0)
	}
	var out []time.Duration
	work := t.TempDir()
	for round := range windowRounds {
		out = append(out, l.capture(t, work, dirs, round))
	}
	slices.Sort(out)
	return out
}

func (l layout) capture(t *testing.T, work string, dirs []string, round int) time.Duration {
	t.Helper()
	def, _ := all.Registry().Lookup(providers.Homes.Name(), l.typ)
	opened, err := def.Open(l.config(dirs), providers.Env{
		Address: "home." + l.typ + ".x", WorkDir: work, Host: &host.Host{}, Parallelism: 2, Instance: providers.Instance{Name: "prod"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, id := opened.(providers.Strategy), providers.NewBackupID("prod", time.Unix(int64(1_800_000_000+round), 0))
	r, err := s.Check(t.Context())
	if err != nil || r.Failed() {
		t.Fatal(err, r.Findings)
	}
	s.Expect(r.Facts)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Discard(t.Context(), id); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for i := range windowChanges {
		touch(t, repositoryFile(dirs[i%len(dirs)], i/len(dirs), fmt.Sprint("changed", round)))
	}
	if err := s.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := s.Capture(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	return time.Since(begun).Round(time.Millisecond)
}

// fill makes so many files, fifty in a folder.
func fill(t *testing.T, dir string, files int, isHome bool) {
	t.Helper()
	if isHome {
		touch(t, filepath.Join(dir, "shared", "bitbucket.properties"))
	}
	const each = 50
	for i := range files {
		touch(t, repositoryFile(dir, i/each, fmt.Sprint(i%each)))
	}
}

func repositoryFile(dir string, repository int, name string) string {
	return filepath.Join(dir, "shared", "data", "repositories", fmt.Sprint(repository), name)
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(path), 0o600); err != nil {
		t.Fatal(err)
	}
}
