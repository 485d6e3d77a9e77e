package zfs

import (
	"fmt"
	"testing"

	"bkp/internal/lab/vm"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

func openTest(path string, stores []string, env providers.Env) (providers.Strategy, error) {
	return open(Config{Config: home.Config{Path: path, DataStores: stores}, MaxUsed: 90}, env), nil
}

// TestGuestContract holds the strategy to its contract, restored from the snapshots
// and from an archive. The home has a child dataset.
func TestGuestContract(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.ZFS, Disks: []int64{2 << 30}, Timeout: patience}) {
		return
	}
	newPool(t, "tank", 0)
	made := 0
	live := func(t *testing.T) (path, store string) {
		made++
		name := fmt.Sprint("tank/home", made)
		path = create(t, name)
		run(t, "zfs", "create", "-p", name+"/shared/data")
		return path, create(t, fmt.Sprint("tank/store", made))
	}
	for from, staged := range map[string]bool{"from the snapshot": false, "unpacked": true} {
		t.Run(from, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				return providertest.HomeHarness(t, openTest, providertest.HomeOptions{Staged: staged, Live: live})
			})
		})
	}
}
