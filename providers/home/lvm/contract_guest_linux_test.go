package lvm

import (
	"strconv"
	"testing"
	"time"

	"bkp/internal/lab/vm"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

func openTest(path string, stores []string, env providers.Env) (providers.Strategy, error) {
	return open(Config{Config: home.Config{Path: path, DataStores: stores}, Options: defaults()}, env), nil
}

// patience is for a machine that has more to do: idle, a test takes a tenth of it.
const patience = 20 * time.Minute

// TestLongGuestContract holds the strategy to its contract, on classic and thin volumes,
// restored from the snapshots and from an archive.
func TestLongGuestContract(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{3 << 30}, Timeout: patience}) {
		return
	}
	for name, thin := range kinds {
		for from, staged := range map[string]bool{"from the snapshot": false, "unpacked": true} {
			t.Run(name+", "+from, func(t *testing.T) {
				r := newRig(t, 0, thin)
				made := 0
				live := func(t *testing.T) (path, store string) {
					made++
					return r.volume(t, "home"+strconv.Itoa(made), "xfs", 320), r.volume(t, "store"+strconv.Itoa(made), "ext4", 100)
				}
				providertest.Run(t, func(t *testing.T) providertest.Harness {
					return providertest.HomeHarness(t, openTest, providertest.HomeOptions{Staged: staged, Live: live})
				})
			})
		}
	}
}
