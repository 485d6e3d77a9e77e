package main

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/lab/vm"
)

// makeVolumes are the commands that make two volumes, one mounted inside the other at
// a folder $1, from a disk $2.
var makeVolumes = map[vm.Lane]string{
	vm.LVM: `vgcreate -q vg "$2"
lvcreate -q -y -L 400M -n home vg && mkfs.xfs -q /dev/vg/home
lvcreate -q -y -L 400M -n shared vg && mkfs.ext4 -q /dev/vg/shared
mkdir -p "$1" && mount /dev/vg/home "$1"
mkdir "$1/shared" && mount /dev/vg/shared "$1/shared" && rmdir "$1/shared/lost+found"`,
	vm.ZFS: `zpool create -f -o ashift=12 -O mountpoint=none tank "$2"
zfs create -o mountpoint="$1" tank/home
zfs create tank/home/shared`,
}

// removeVolumes undoes makeVolumes.
var removeVolumes = map[vm.Lane]string{
	vm.LVM: `umount -R "$1"; vgremove -q -f -y vg`,
	vm.ZFS: `zpool destroy -f tank`,
}

// listSnapshots prints a line for each snapshot that bkp made.
var listSnapshots = map[vm.Lane]string{
	vm.LVM: `lvs --noheadings -o lv_name -S 'lv_tags=bkp'`,
	vm.ZFS: `zfs get -H -s local -t snapshot -o name bkp:backup`,
}

func TestGuestScriptsLVM(t *testing.T) { guestScripts(t, vm.LVM) }

func TestGuestScriptsZFS(t *testing.T) { guestScripts(t, vm.ZFS) }

// guestScripts runs the scripts of a lane in its guest: `volumes FOLDER` makes
// volumes, and `snapshots NUMBER` counts snapshots and expects nothing to be mounted.
func guestScripts(t *testing.T, lane vm.Lane) {
	if !vm.Inside(t, vm.Options{Lane: lane, Disks: []int64{2 << 30}, Root: "../..", Timeout: time.Hour}) {
		return
	}
	shell := func(ts *testscript.TestScript, script string, args ...string) string {
		out, err := exec.Command("sh", append([]string{"-ec", script, "sh"}, args...)...).CombinedOutput()
		if err != nil {
			ts.Fatalf("%s: %v\n%s", script, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	p := scripts(filepath.Join("../../testdata/script", string(lane)))
	p.Cmds["volumes"] = func(ts *testscript.TestScript, _ bool, args []string) {
		at := ts.MkAbs(args[0])
		shell(ts, makeVolumes[lane], at, vm.Disks()[0])
		ts.Defer(func() { shell(ts, removeVolumes[lane], at) })
	}
	p.Cmds["adopt"] = cmdAdopt
	p.Cmds["snapshots"] = func(ts *testscript.TestScript, _ bool, args []string) {
		list := shell(ts, listSnapshots[lane])
		if n := len(strings.Fields(list)); args[0] != strconv.Itoa(n) {
			ts.Fatalf("there are %d snapshots, not %s:\n%s", n, args[0], list)
		}
		mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(ts.MkAbs("state")))
		ts.Check(err)
		for _, m := range mounts {
			ts.Fatalf("%s is mounted", m.Mountpoint)
		}
	}
	testscript.Run(t, p)
}
