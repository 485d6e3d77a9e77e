package awsebs

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/host"
	lab "bkp/internal/lab/aws"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/home/internal/snapshottest"
	"bkp/providers/providertest"
)

const (
	xfsSize  = 320 << 20
	ext4Size = 64 << 20
)

// rig is a world with a machine that a home and a data store are mounted on.
type rig struct {
	*lab.World
	home, store           string
	homeVolume, storeName string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a file system can be mounted by root only; run the tests as root")
	}
	r := &rig{World: lab.Start(t)}
	r.Setenv(t)
	r.home, r.homeVolume = r.volume(t, "xfs", xfsSize)
	r.store, r.storeName = r.volume(t, "ext4", ext4Size)
	return r
}

func (r *rig) volume(t *testing.T, kind string, size int64) (point, id string) {
	t.Helper()
	point = t.TempDir()
	id, err := r.NewVolume(point, kind, size)
	if err != nil {
		t.Fatal(err)
	}
	if kind == "ext4" {
		snapshottest.OK(t, os.Remove(filepath.Join(point, "lost+found"))) // no backup has it
	}
	return point, id
}

func (r *rig) config(path string, stores []string) Config {
	c := *Definition().NewConfig().(*Config)
	c.Config = home.Config{Path: path, DataStores: stores}
	c.Endpoint, c.Sysfs = r.Endpoint, r.Sysfs
	return c
}

func TestContract(t *testing.T) {
	for freeze, staged := range map[string]bool{freezeSync: false, freezeFull: true} {
		t.Run(freeze, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				r := newRig(t)
				with := func(path string, stores []string, env providers.Env) (providers.Strategy, error) {
					c := r.config(path, stores)
					c.Freeze = freeze
					return open(c, env), nil
				}
				live := func(*testing.T) (string, string) { return r.home, r.store }
				return providertest.HomeHarness(t, with, providertest.HomeOptions{Staged: staged, Live: live})
			})
		})
	}
}

// TestStorage takes the steps of a backup that all storages have in common.
func TestStorage(t *testing.T) {
	r := newRig(t)
	work := t.TempDir()
	suite := snapshottest.Suite{Type: "aws_ebs", Storage: func() snapshot.Storage {
		return completed{newStorage(r.config(r.home, []string{r.store}), providers.Env{WorkDir: work, Host: &host.Host{}}), t}
	}}
	suite.Steps(t, r.home, r.store)
	r.nothingLeft(t)
}

// completed waits for a snapshot before it is mounted, as Finish does.
type completed struct {
	*storage
	t *testing.T
}

func (c completed) Mount(ctx context.Context, sn snapshot.Snapshot, dir string) error {
	if err := c.Complete(ctx, snapshot.Set{Snapshots: []snapshot.Snapshot{sn}}); err != nil {
		return err
	}
	return c.storage.Mount(ctx, sn, dir)
}

func (r *rig) nothingLeft(t *testing.T) {
	t.Helper()
	snapshots, volumes := r.Left()
	if len(snapshots)+len(volumes) > 0 {
		t.Errorf("left: %v, %v", snapshots, volumes)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	snapshottest.OK(t, os.MkdirAll(filepath.Dir(path), 0o755))
	snapshottest.OK(t, os.WriteFile(path, []byte(text), 0o600))
}
