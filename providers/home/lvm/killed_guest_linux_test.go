package lvm

import (
	"context"
	"encoding/json"
	"errors"
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
	s, err := openTest(c.Home, nil, providers.Env{Address: "home.lvm.x", WorkDir: c.WorkDir, Host: &host.Host{}, Parallelism: 2, Instance: providers.Instance{Name: "test"}})
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

// isDamage reports whether an archive would give the backup up.
func isDamage(err error) bool {
	var damage *providers.DamageError
	return errors.As(err, &damage)
}

// TestLongGuestKilled kills a run at each step.
func TestLongGuestKilled(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{2 << 30}, Timeout: patience}) {
		return
	}
	for name, thin := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 0, thin)
			c := newChild(t, r.volume(t, "home", "ext4", 200))
			killedAtEachStep(t, c, vm.NewKiller(t, nil, "lvcreate", "lvchange", "lvremove", "mount"))
		})
	}
}

// TestGuestPowerCut cuts the power during a run.
func TestGuestPowerCut(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{1 << 30}, Timeout: patience, Boots: 2}) {
		return
	}
	const home = "/srv/home"
	ok(t, os.MkdirAll(home, 0o755))
	if vm.Boot(t) == 0 {
		run(t, "vgcreate", "vg", vm.Disks()[0])
		run(t, "lvcreate", "--yes", "--size", "400M", "--name", "home", "vg")
		run(t, "mkfs.xfs", "-q", "/dev/vg/home")
		run(t, "mount", "/dev/vg/home", home)
		c := newChild(t, home)
		c.WorkDir = "/srv/work"
		keptThenPowerCut(t, c)
	}
	run(t, "vgchange", "--activate", "y", "vg")
	run(t, "mount", "/dev/vg/home", home)
	afterPowerCut(t, child{Home: home, WorkDir: "/srv/work", ID: id})
}

// TestGuestOverflowIsNoBackup overflows the snapshot while an archive reads it: the
// record gives the backup up, also where the folder was unmounted and reads as empty.
func TestGuestOverflowIsNoBackup(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{2 << 30}, Timeout: patience}) {
		return
	}
	r := newRig(t, 0, false)
	c := newChild(t, r.volume(t, "home", "xfs", 400))
	for name, spoil := range map[string]func(t *testing.T, a providers.Artifact){
		"overflow": func(t *testing.T, _ providers.Artifact) {
			for n := range 3 {
				write(t, filepath.Join(c.Home, fmt.Sprint("large", n)), 40)
			}
		},
		"unmounted": func(t *testing.T, a providers.Artifact) {
			run(t, "umount", "--lazy", filepath.Dir(a.Trees[0].Path)+"/0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := c.open()
			ok(t, h.Prepare(t.Context(), c.ID))
			a, err := h.Capture(t.Context(), c.ID)
			ok(t, err)
			a, err = h.Finish(t.Context(), a)
			ok(t, err)
			rec, err := h.Record(t.Context(), a)
			ok(t, err)
			ok(t, rec.Intact(t.Context()))
			spoil(t, a)
			if err := rec.Intact(t.Context()); !isDamage(err) {
				t.Errorf("taken for whole: %v", err)
			}
			ok(t, rec.Close())
			ok(t, h.Close())
			ok(t, c.open().Discard(t.Context(), c.ID))
			nothingLeft(t, c, name)
		})
	}
}
