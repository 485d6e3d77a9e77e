package btrfs

import (
	"os/exec"
	"path/filepath"
	"testing"

	"bkp/internal/host"
	"bkp/internal/lab/loopfs"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/home/internal/snapshottest"
	"bkp/providers/providertest"
)

// live makes a home and a data store that are subvolumes, with a subvolume nested
// in the home.
func live(t *testing.T) (path, store string) {
	t.Helper()
	on := loopfs.Mount(t, "btrfs")
	path, store = filepath.Join(on, "home"), filepath.Join(on, "store")
	for _, dir := range []string{path, store, filepath.Join(path, "shared")} {
		makeSubvolume(t, dir)
	}
	return path, store
}

func makeSubvolume(t *testing.T, dir string) {
	t.Helper()
	btrfs(t, "subvolume", "create", dir)
}

func btrfs(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "btrfs", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("btrfs %v: %v: %s", args, err, out)
	}
	return string(out)
}

func openTest(path string, stores []string, env providers.Env) (providers.Strategy, error) {
	return open(Config{Config: home.Config{Path: path, DataStores: stores}}, env)
}

func TestContract(t *testing.T) {
	for name, staged := range map[string]bool{"from the snapshot": false, "unpacked": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				return providertest.HomeHarness(t, openTest, providertest.HomeOptions{Staged: staged, Live: live})
			})
		})
	}
}

// TestStorage takes the steps of a backup that all storages have in common, on
// subvolumes beside and inside each other.
func TestStorage(t *testing.T) {
	path, store := live(t)
	suite := snapshottest.Suite{Type: "btrfs", Open: openTest, Storage: func() snapshot.Storage {
		return newStorage(Config{Config: home.Config{Path: path, DataStores: []string{store}}}, &host.Host{})
	}}
	suite.Steps(t, path, store, filepath.Join(path, "shared"))
}
