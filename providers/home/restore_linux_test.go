package home_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// A volume of its own for the home cannot be renamed over: it is copied to.
func TestRestoreToAMountPoint(t *testing.T) {
	target := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(target, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", target, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("nothing can be mounted here, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, 0); err != nil {
			t.Error(err)
		}
	})
	store := filepath.Join(t.TempDir(), "store")
	b := home.Base{Config: home.Config{Path: target, DataStores: []string{store}}, Env: providers.Env{
		Address: "home.mirror.x", Host: &host.Host{}, Parallelism: 2,
	}}
	a := twoParts(t)
	if err := back(t, &b).Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	providertest.SameTrees(t, providertest.Tree(t, filepath.Join(a.Dir(), "home")), providertest.Tree(t, target), nil)
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the target: %v %v", entries, err)
	}
}
