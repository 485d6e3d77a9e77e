package zfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/lab/vm"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/home/internal/snapshottest"
)

// suite is what holds of all storages.
var suite = snapshottest.Suite{Type: "zfs", Open: openTest, Storage: func() snapshot.Storage { return newStorage() }}

var tag = suite.Tag()

func run(t testing.TB, argv ...string) string { t.Helper(); return snapshottest.Run(t, argv...) }

func ok(t testing.TB, err error) { t.Helper(); snapshottest.OK(t, err) }

func oneSet(t *testing.T, s *storage) snapshot.Set { t.Helper(); return suite.OneSet(t, s) }

// newPool makes a pool on a disk of the guest. It is gone at the end of the test.
func newPool(t *testing.T, name string, disk int) {
	t.Helper()
	run(t, "zpool", "create", "-f", "-o", "ashift=12", "-O", "mountpoint=none", name, vm.Disks()[disk])
	t.Cleanup(func() { run(t, "zpool", "destroy", "-f", name) })
}

// create makes a dataset, mounted on a new folder unless more says otherwise.
func create(t *testing.T, name string, more ...string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), filepath.Base(name))
	run(t, append(append([]string{"zfs", "create", "-o", "mountpoint=" + at}, more...), name)...)
	// Before the folder is removed; a test may have unmounted it.
	t.Cleanup(func() {
		if out, err := exec.Command("zfs", "list", "-rHo", "name", name).Output(); err == nil {
			for _, child := range strings.Fields(string(out)) {
				defer func() { _ = exec.Command("zfs", "unmount", "-f", child).Run() }()
			}
		}
	})
	return at
}

func newStorage() *storage {
	return &storage{tool: tool{&host.Host{}}, config: Config{Options: defaults()}}
}

// refused expects a problem with a summary and a remedy that holds a text.
func refused(t *testing.T, err error, summary, remedy string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Summary != summary || !strings.Contains(p.Remedy, remedy) {
		t.Errorf("got %v\n%s", err, problem.Remedy(err))
	}
}

// patience is for a machine that has more to do: idle, a test takes a tenth of it.
const patience = time.Hour

// TestGuest shares one boot, which takes longest.
func TestGuest(t *testing.T) {
	if !vm.Inside(t, vm.Options{Lane: vm.ZFS, Disks: []int64{1 << 30, 1 << 30}, Timeout: patience}) {
		return
	}
	for name, test := range map[string]func(*testing.T){
		"steps of a backup": steps, "one instant": oneInstant, "absent datasets": absentDatasets, "busy": busy, "full": full,
		"limits": limits, "two pools": twoPools, "elsewhere": elsewhere, "received copies": receivedCopies,
	} {
		t.Run(name, test)
	}
}

func steps(t *testing.T) {
	newPool(t, "tank", 0)
	home := create(t, "tank/home")
	run(t, "zfs", "create", "tank/home/repos")
	store := create(t, "tank/store")
	inner := filepath.Join(home, "repos")
	s := newStorage()
	volumes := snapshottest.Find(t, s, home, inner, store)
	if volumes[1].Name != "tank/home/repos" || !s.Atomic(volumes) {
		t.Errorf("found %+v", volumes)
	}
	if nested, err := s.Nested(t.Context(), volumes[0], home); err != nil || len(nested) > 0 {
		t.Errorf("nested: %v, %v", nested, err)
	}
	taken := suite.Take(t, s, volumes)
	ok(t, s.Keep(t.Context(), oneSet(t, s), []byte("manifest")))
	if out, err := exec.Command("zfs", "destroy", taken[0].Name).CombinedOutput(); err == nil {
		t.Errorf("a kept snapshot is not held: %s", out)
	}
	ok(t, s.Delete(t.Context(), oneSet(t, s)))
	taken = suite.Steps(t, home, inner, store)
	if left := run(t, "zfs", "list", "-H", "-t", "snapshot"); left != "no datasets available" && left != "" {
		t.Errorf("left: %s", left)
	}
	refused(t, s.Intact(t.Context(), taken[0]), notThere, "")
	refused(t, s.Mount(t.Context(), taken[0], t.TempDir()), notThere, "")
}

// oneInstant takes snapshots while a writer appends to one dataset and then to the
// other: the other never is ahead.
func oneInstant(t *testing.T) {
	newPool(t, "tank", 0)
	a, b := create(t, "tank/a"), create(t, "tank/b")
	s := newStorage()
	volumes := snapshottest.Find(t, s, a, b)
	ok(t, s.Prepare(t.Context(), tag, volumes))
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- writeInTurn(a, b, stop) }()
	for range 5 {
		taken, err := s.Take(t.Context(), tag, volumes)
		ok(t, err)
		if taken[0].Generation != taken[1].Generation || taken[0].Generation == "" {
			t.Errorf("generations %s and %s", taken[0].Generation, taken[1].Generation)
		}
		var sizes []int64
		for _, sn := range taken {
			at := filepath.Join(t.TempDir(), "at")
			ok(t, os.Mkdir(at, 0o700))
			ok(t, s.Mount(t.Context(), sn, at))
			var size int64
			if fi, err := os.Stat(filepath.Join(at, "log")); err == nil {
				size = fi.Size()
			}
			sizes = append(sizes, size)
			run(t, "umount", at)
		}
		if sizes[0] < sizes[1] || sizes[0] > sizes[1]+1 {
			t.Errorf("the second dataset has %d, and the first %d", sizes[1], sizes[0])
		}
		ok(t, s.Delete(t.Context(), oneSet(t, s)))
	}
	close(stop)
	ok(t, <-ended)
}

// writeInTurn appends a byte to a file of each folder, the first before the second.
func writeInTurn(a, b string, stop <-chan struct{}) error {
	var files [2]*os.File
	for i, dir := range []string{a, b} {
		f, err := os.Create(filepath.Join(dir, "log"))
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		files[i] = f
	}
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		for _, f := range files {
			if _, err := f.Write([]byte("x")); err != nil {
				return err
			}
		}
	}
}

func absentDatasets(t *testing.T) {
	newPool(t, "tank", 0)
	key := filepath.Join(t.TempDir(), "key")
	ok(t, os.WriteFile(key, []byte("12345678"), 0o600))
	home := create(t, "tank/home", "-o", "encryption=on", "-o", "keyformat=passphrase", "-o", "keylocation=file://"+key)
	run(t, "zfs", "create", "tank/home/repos")
	s := newStorage()
	v := snapshottest.Find(t, s, home)[0]
	run(t, "zfs", "unmount", "tank/home/repos")
	_, err := s.Nested(t.Context(), v, home)
	refused(t, err, notMounted, "zfs mount tank/home/repos")
	run(t, "zfs", "unmount", "tank/home")
	run(t, "zfs", "unload-key", "tank/home")
	_, _, err = s.Find(t.Context(), home)
	refused(t, err, notMounted, "zfs load-key tank/home")
	h, err := openTest(home, nil, providers.Env{Address: "home.zfs.x", WorkDir: t.TempDir(), Host: &host.Host{}, Parallelism: 2})
	ok(t, err)
	r, err := h.Check(t.Context())
	ok(t, err)
	if !slices.ContainsFunc(r.Findings, func(f providers.Finding) bool { return f.Summary == notMounted }) {
		t.Errorf("the plan says %v", r.Findings)
	}
}

func busy(t *testing.T) {
	newPool(t, "tank", 0)
	home := create(t, "tank/home")
	s := newStorage()
	sn := suite.Take(t, s, snapshottest.Find(t, s, home))[0]
	const cannot = "snapshot cannot be removed"
	run(t, "zfs", "hold", "mine", sn.Name)
	refused(t, s.Delete(t.Context(), oneSet(t, s)), cannot, "zfs release mine "+sn.Name)
	run(t, "zfs", "release", "mine", sn.Name)
	run(t, "zfs", "clone", sn.Name, "tank/clone")
	refused(t, s.Delete(t.Context(), oneSet(t, s)), cannot, "tank/clone")
	run(t, "zfs", "destroy", "tank/clone")
	at := t.TempDir()
	ok(t, s.Mount(t.Context(), sn, at))
	refused(t, s.Delete(t.Context(), oneSet(t, s)), cannot, "/proc/*/mounts")
	run(t, "umount", at)
	ok(t, s.Delete(t.Context(), oneSet(t, s)))
}

func full(t *testing.T) {
	newPool(t, "tank", 0)
	home := create(t, "tank/home", "-o", "compression=off")
	s := newStorage()
	volumes := snapshottest.Find(t, s, home)
	ok(t, s.Prepare(t.Context(), tag, volumes))
	_ = exec.Command("dd", "if=/dev/zero", "of="+filepath.Join(home, "large"), "bs=1M", "count=2000", "conv=fsync").Run() // until it is full
	_, err := s.Take(t.Context(), tag, volumes)
	refused(t, err, cannotTake, "zpool list")
	if !strings.Contains(err.Error(), "out of space") {
		t.Errorf("the cause is not in it: %v", err)
	}
	s.config.MaxUsed = 80
	refused(t, s.Prepare(t.Context(), tag, volumes), "pool is nearly full", "zfs list -t snapshot")
}

func limits(t *testing.T) {
	newPool(t, "tank", 0)
	home := create(t, "tank/home", "-o", "quota=20M", "-o", "compression=off")
	s := newStorage()
	volumes := snapshottest.Find(t, s, home)
	run(t, "zfs", "set", "snapshot_limit=0", "tank/home")
	refused(t, s.Prepare(t.Context(), tag, volumes), "dataset may have no more snapshots", "snapshot_limit=none")
	run(t, "zfs", "set", "snapshot_limit=none", "tank/home")
	run(t, "dd", "if=/dev/zero", "of="+filepath.Join(home, "large"), "bs=1M", "count=19", "conv=fsync")
	run(t, "zpool", "sync", "tank")
	refused(t, s.Prepare(t.Context(), tag, volumes), "dataset has nearly used its quota", "refquota=")
}

func twoPools(t *testing.T) {
	newPool(t, "tank", 0)
	newPool(t, "other", 1)
	s := newStorage()
	volumes := snapshottest.Find(t, s, create(t, "tank/home"), create(t, "other/store"))
	if s.Atomic(volumes) {
		t.Error("two pools count as one instant")
	}
	suite.Take(t, s, volumes)
	if set := oneSet(t, s); len(set.Snapshots) != 2 {
		t.Errorf("set %+v", set)
	}
	ok(t, s.Delete(t.Context(), oneSet(t, s)))
}

func elsewhere(t *testing.T) {
	newPool(t, "tank", 0)
	s := newStorage()
	const noDataset = "file system is no dataset"
	_, _, err := s.Find(t.Context(), "/etc")
	refused(t, err, noDataset, "home \"mirror\"")
	home := create(t, "tank/home")
	s.config.Datasets = []string{"tank/other"}
	_, _, err = s.Find(t.Context(), home)
	refused(t, err, "home lies on another dataset", "correct datasets")
}

// receivedCopies: a replica has the properties too, and is not bkp's to remove.
func receivedCopies(t *testing.T) {
	newPool(t, "tank", 0)
	newPool(t, "replica", 1)
	s := newStorage()
	sn := suite.Take(t, s, snapshottest.Find(t, s, create(t, "tank/home")))[0]
	run(t, "sh", "-c", "zfs send -p "+sn.Name+" | zfs receive -u replica/home")
	if set := oneSet(t, s); len(set.Snapshots) != 1 || set.Snapshots[0].Name != sn.Name {
		t.Errorf("set %+v", set)
	}
	ok(t, s.Delete(t.Context(), oneSet(t, s)))
	if left := run(t, "zfs", "list", "-H", "-o", "name", "-t", "snapshot"); !strings.HasPrefix(left, "replica/home@") {
		t.Errorf("left: %q", left)
	}
}
