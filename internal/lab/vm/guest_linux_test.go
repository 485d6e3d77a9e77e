package vm_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bkp/internal/lab/bed"
	"bkp/internal/lab/vm"
)

const disk = 1 << 30

func run(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}

// TestGuestLVM makes a thin pool with a file system, and a snapshot of it.
func TestGuestLVM(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{disk}}) {
		return
	}
	run(t, "vgcreate", "vg", vm.Disks()[0])
	run(t, "lvcreate", "-y", "--type", "thin-pool", "-L", "600M", "-n", "pool", "vg")
	run(t, "lvcreate", "-y", "-V", "400M", "--thinpool", "pool", "-n", "home", "vg")
	run(t, "mkfs.xfs", "-q", "/dev/vg/home")
	run(t, "lvcreate", "-y", "-s", "-n", "snap", "vg/home")
	if out := run(t, "lvs", "--noheadings", "-o", "lv_attr", "vg/snap"); !strings.HasPrefix(strings.TrimSpace(out), "V") {
		t.Errorf("no thin snapshot: %s", out)
	}
}

// TestGuestZFS makes a pool, and a snapshot of two datasets at one instant.
func TestGuestZFS(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.ZFS, Disks: []int64{disk}}) {
		return
	}
	run(t, "zpool", "create", "-f", "tank", vm.Disks()[0])
	run(t, "zfs", "create", "tank/a")
	run(t, "zfs", "snapshot", "tank@x", "tank/a@x")
	txgs := strings.Fields(run(t, "zfs", "list", "-Hp", "-t", "snapshot", "-o", "createtxg"))
	if len(txgs) != 2 || txgs[0] != txgs[1] {
		t.Errorf("not one instant: %v", txgs)
	}
}

// A guest whose power is cut has in its next boot what was synced, and not the rest.
func TestGuestLVMPowerCut(t *testing.T) { powerCut(t, vm.LVM) }

// TestGuestZFSPowerCut is the same with the whole machine.
func TestGuestZFSPowerCut(t *testing.T) { powerCut(t, vm.ZFS) }

func powerCut(t *testing.T, lane vm.Lane) {
	if !vm.Inside(t, vm.Options{Lane: lane, Disks: []int64{disk}, Boots: 2}) {
		return
	}
	const at = "/mnt"
	if vm.Boot(t) == 0 {
		run(t, "mkfs.ext4", "-q", vm.Disks()[0])
	}
	run(t, "mount", "-o", "commit=300", vm.Disks()[0], at)
	if vm.Boot(t) == 0 {
		for _, name := range []string{"synced", "lost"} {
			if err := os.WriteFile(filepath.Join(at, name), bytes.Repeat([]byte("x"), 100), 0o600); err != nil {
				t.Fatal(err)
			}
			if name == "synced" {
				unix.Sync()
			}
		}
		vm.PowerCut(t)
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "lost+found synced" {
		t.Errorf("after the power cut: %s", got)
	}
}

// TestGuestSharesAndExitCode: one folder is shared read-only and one is not, and the
// exit code comes back.
func TestGuestSharesAndExitCode(t *testing.T) {
	bed.Needed(t)
	cache, err := bed.Cache()
	if err != nil {
		t.Fatal(err)
	}
	for _, lane := range []vm.Lane{vm.LVM, vm.ZFS} {
		t.Run(string(lane), func(t *testing.T) {
			dir, err := os.MkdirTemp("", "vm")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			for _, name := range []string{"ro", "rw"} {
				if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			g := vm.Guest{
				Bed: vm.Bed{Dir: cache}, Lane: lane, Dir: dir,
				Shares:  []vm.Share{{Path: filepath.Join(dir, "ro")}, {Path: filepath.Join(dir, "rw"), Writable: true}},
				Command: []string{"sh", "-c", `echo "it's here" > "$1/rw/a"; touch "$1/ro/a" && exit 9; echo said; exit 7`, "sh", dir},
			}
			out, code, err := g.Run(t.Context())
			if err != nil || code != 7 || !strings.Contains(string(out), "said") {
				t.Errorf("exit code %d, error %v, output %q", code, err, out)
			}
			if text, err := os.ReadFile(filepath.Join(dir, "rw", "a")); err != nil || string(text) != "it's here\n" {
				t.Errorf("the guest wrote %q, %v", text, err)
			}
		})
	}
}
