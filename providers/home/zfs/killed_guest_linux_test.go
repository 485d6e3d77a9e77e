package zfs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/moby/sys/mountinfo"

	"bkp/internal/host"
	"bkp/internal/lab/vm"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/providertest"
)

// child is a run in a process of its own.
type child struct {
	Home, WorkDir string
	ID            providers.BackupID
	Keep          bool
}

const childVariable = "BKP_TEST_CHILD"

func TestMain(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var c child
	err := json.Unmarshal([]byte(text), &c)
	if err == nil {
		err = providertest.Steps(context.Background(), c.open(), c.ID, c.Keep)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (c child) open() *snapshot.Home {
	s, err := openTest(c.Home, nil, providers.Env{Address: "home.zfs.x", WorkDir: c.WorkDir, Host: &host.Host{}, Parallelism: 2, Instance: providers.Instance{Name: "test"}})
	if err != nil {
		panic(err) // it opens nothing
	}
	return s.(*snapshot.Home)
}

func (c child) command(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(c)
	ok(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	return cmd
}

// newChild makes a run of a home on the storage.
func newChild(t *testing.T, dir string) child {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Join(dir, "shared", "data", "repositories", "1"), 0o750))
	ok(t, os.WriteFile(filepath.Join(dir, "shared", "data", "repositories", "1", "HEAD"), []byte("ref"), 0o600))
	return child{Home: dir, WorkDir: filepath.Join(t.TempDir(), "work"), ID: id}
}

// nothingLeft expects no snapshot and no mount of anybody.
func nothingLeft(t *testing.T, c child, when string) {
	t.Helper()
	if sets, _, err := newStorage().Sets(t.Context()); err != nil || len(sets) > 0 {
		t.Fatalf("%s: left %+v, %v", when, sets, err)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(c.WorkDir))
	if err != nil || len(mounts) > 0 {
		t.Fatalf("%s: %d mounts are left, %v", when, len(mounts), err)
	}
}

// killedAtEachStep kills a run before and after each call that changes something. A
// discard in another process leaves nothing of it, but what was kept; and so does the
// next run without one.
func killedAtEachStep(t *testing.T, c child, k vm.Killer) {
	steps := 0
	for _, c.Keep = range []bool{false, true} {
		for step := 0; ; step++ {
			killed := k.Run(t, step, c.command(t))
			when := fmt.Sprintf("keep %v, step %d, %s", c.Keep, step, k.Last(t))
			if step%4 < 2 {
				ok(t, c.open().Discard(t.Context(), c.ID))
			} else {
				next := c
				next.ID, next.Keep = "test-20261123T214431Z", false
				if k.Run(t, -1, next.command(t)) {
					t.Fatal("nobody was to kill the next run")
				}
			}
			list, _, err := c.open().List(t.Context())
			ok(t, err)
			if len(list) == 1 {
				if _, err := c.open().Verify(t.Context(), c.ID); err != nil || !c.Keep {
					t.Fatalf("%s: kept %v, %v", when, list, err)
				}
				ok(t, c.open().Delete(t.Context(), c.ID))
			}
			if !killed && c.Keep && len(list) == 0 {
				t.Fatalf("%s: what was kept is gone", when)
			}
			nothingLeft(t, c, when)
			if !killed {
				break
			}
			steps++
		}
	}
	t.Logf("killed at %d steps", steps)
}

// keptThenPowerCut cuts the power while a backup is kept and another is mounted.
func keptThenPowerCut(t *testing.T, c child) {
	kept := c
	kept.ID, kept.Keep = "test-20261121T214431Z", true
	ok(t, providertest.Steps(t.Context(), kept.open(), kept.ID, true))
	h := c.open()
	ok(t, h.Prepare(t.Context(), c.ID))
	a, err := h.Capture(t.Context(), c.ID)
	ok(t, err)
	_, err = h.Finish(t.Context(), a)
	ok(t, err)
	vm.PowerCut(t)
}

// afterPowerCut expects the run to be discarded, and what was kept to be restored.
func afterPowerCut(t *testing.T, c child) {
	ok(t, c.open().Discard(t.Context(), c.ID))
	list, findings, err := c.open().List(t.Context())
	if err != nil || len(list) != 1 || len(findings) > 0 {
		t.Fatalf("kept: %v, %v, %v", list, findings, err)
	}
	to := filepath.Join(t.TempDir(), "new")
	r, err := c.open().Restorer(to)
	ok(t, err)
	ok(t, r.Restore(t.Context(), list[0].Artifacts[0]))
	if text, err := os.ReadFile(filepath.Join(to, "shared/data/repositories/1/HEAD")); err != nil || string(text) != "ref" {
		t.Errorf("restored %q, %v", text, err)
	}
	ok(t, c.open().Delete(t.Context(), list[0].ID))
	nothingLeft(t, c, "after the power cut")
}

// TestLongGuestKilled kills a run at each step.
func TestLongGuestKilled(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.ZFS, Disks: []int64{1 << 30}, Timeout: patience}) {
		return
	}
	newPool(t, "tank", 0)
	home := create(t, "tank/home")
	run(t, "zfs", "create", "tank/home/shared")
	killedAtEachStep(t, newChild(t, home), vm.NewKiller(t, []string{"list", "get", "holds"}, "zfs", "mount"))
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
		c := newChild(t, home)
		c.WorkDir = "/srv/work"
		keptThenPowerCut(t, c)
	}
	run(t, "zpool", "import", "-f", "-d", "/dev", "tank")
	afterPowerCut(t, child{Home: home, WorkDir: "/srv/work", ID: id})
	run(t, "zpool", "destroy", "tank")
}
