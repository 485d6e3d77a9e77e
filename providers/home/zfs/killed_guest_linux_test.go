package zfs

import (
	"testing"

	"bkp/internal/lab/vm"
)

func TestMain(m *testing.M) { suite.Main(m) }

// TestLongGuestKilled kills a run at each step.
func TestLongGuestKilled(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.ZFS, Disks: []int64{1 << 30}, Timeout: patience}) {
		return
	}
	newPool(t, "tank", 0)
	home := create(t, "tank/home")
	run(t, "zfs", "create", "tank/home/shared")
	suite.NewKilled(t, home, "").AtEachStep(t, vm.NewKiller(t, []string{"list", "get", "holds"}, "zfs", "mount"))
}

// TestLongGuestPowerCut cuts the power during a run.
func TestLongGuestPowerCut(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.ZFS, Disks: []int64{1 << 30}, Timeout: patience, Boots: 2}) {
		return
	}
	const home = "/srv/home"
	if vm.Boot(t) == 0 {
		run(t, "zpool", "create", "-f", "-o", "ashift=12", "-O", "mountpoint=none", "tank", vm.Disks()[0])
		run(t, "zfs", "create", "-o", "mountpoint="+home, "tank/home")
		suite.NewKilled(t, home, "/srv/work").PowerCut(t)
	}
	run(t, "zpool", "import", "-f", "-d", "/dev", "tank")
	suite.Again(home, "/srv/work").AfterPowerCut(t)
	run(t, "zpool", "destroy", "tank")
}
