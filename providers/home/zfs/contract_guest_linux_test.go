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
	return open(Config{Config: home.Config{Path: path, DataStores: stores}, Options: defaults()}, env), nil
}

// TestLongGuestContract holds the strategy to its contract, restored from the snapshots.
// The home has a child dataset. What an archive unpacks is no matter of the storage,
// and the emulated machine is slow.
func TestLongGuestContract(t *testing.T) {
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
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		return providertest.HomeHarness(t, openTest, providertest.HomeOptions{Live: live})
	})
}
