package lvm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/lab/vm"
	"bkp/providers"
	"bkp/providers/home/internal/snapshottest"
)

func TestMain(m *testing.M) { suite.Main(m) }

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
			suite.NewKilled(t, r.volume(t, "home", "ext4", 200), "").AtEachStep(t, vm.NewKiller(t, nil, "lvcreate", "lvchange", "lvremove", "mount"))
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
		suite.NewKilled(t, home, "/srv/work").PowerCut(t)
	}
	run(t, "vgchange", "--activate", "y", "vg")
	run(t, "mount", "/dev/vg/home", home)
	suite.Again(home, "/srv/work").AfterPowerCut(t)
}

// TestGuestOverflowIsNoBackup overflows the snapshot while an archive reads it: the
// record gives the backup up, also where the folder was unmounted and reads as empty.
func TestGuestOverflowIsNoBackup(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{2 << 30}, Timeout: patience}) {
		return
	}
	r := newRig(t, 0, false)
	home := r.volume(t, "home", "xfs", 400)
	k := suite.NewKilled(t, home, "")
	const id = snapshottest.ID
	for name, spoil := range map[string]func(t *testing.T, a providers.Artifact){
		"overflow": func(t *testing.T, _ providers.Artifact) {
			for n := range 3 {
				write(t, filepath.Join(home, fmt.Sprint("large", n)), 40)
			}
		},
		"unmounted": func(t *testing.T, a providers.Artifact) {
			run(t, "umount", "--lazy", filepath.Dir(a.Trees[0].Path)+"/0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := k.Open(t)
			ok(t, h.Prepare(t.Context(), id))
			a, err := h.Capture(t.Context(), id)
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
			ok(t, k.Open(t).Discard(t.Context(), id))
			k.NothingLeft(t, name)
		})
	}
}
