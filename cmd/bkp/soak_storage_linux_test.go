package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"bkp/internal/lab/loopfs"
	"bkp/internal/lab/sandbox"
	"bkp/internal/lab/vm"
	"bkp/internal/records/catalog"
)

// TestSoakBtrfs is TestSoak on snapshots.
func TestSoakBtrfs(t *testing.T) {
	at := loopfs.Mount(t, "btrfs")
	home := filepath.Join(at, "home")
	if out, err := exec.Command("btrfs", "subvolume", "create", home).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	soakStorage(t, "btrfs", home, soakRuns(3), false)
}

func TestLongGuestSoakLVM(t *testing.T) { guestSoak(t, vm.LVM) }

func TestLongGuestSoakZFS(t *testing.T) { guestSoak(t, vm.ZFS) }

// guestSoak makes fifty backups on two volumes, with a lock and without.
func guestSoak(t *testing.T, lane vm.Lane) {
	if !vm.Inside(t, vm.Options{Lane: lane, Disks: []int64{2 << 30}, Root: "../..", Timeout: 3 * time.Hour}) {
		return
	}
	for name, live := range map[string]bool{"locked": false, "zero downtime": true} {
		t.Run(name, func(t *testing.T) {
			home := filepath.Join(t.TempDir(), "home")
			shell := func(script string) {
				if out, err := exec.Command("sh", "-ec", script, "sh", home, vm.Disks()[0]).CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", script, err, out)
				}
			}
			shell(makeVolumes[lane])
			t.Cleanup(func() { shell(removeVolumes[lane]) })
			soakStorage(t, string(lane), home, soakRuns(50), live)
		})
	}
}

// soakStorage makes backups of a home on storage that takes snapshots, while users
// push: each is kept there and archived as well, and restored from one of the two in
// turn. Without a lock, no user meets a 503, and what was restored may lack the push
// that was under way.
func soakStorage(t *testing.T, typ, homeDir string, runs int, live bool) {
	dir := t.TempDir()
	h, err := sandbox.CreateHome(t.Context(), homeDir, sandbox.HomeOptions{Repositories: 6, Commits: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	server := sandbox.NewServer(sandbox.Options{})
	ts := httptest.NewServer(server)
	t.Cleanup(ts.Close)
	t.Setenv("BKP_SOAK_ADMIN", "admin")
	text := fmt.Sprintf(soakStorageConfig, filepath.Join(dir, "state"), ts.URL, typ, homeDir, filepath.Join(dir, "archives"), live)
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	checking := sandbox.Checking{Home: filepath.Join(dir, "restored"), Database: sandbox.Embedded}
	if live {
		checking.Within = time.Second
	}
	pushes := 0
	for n := range runs {
		load := sandbox.StartLoad(t.Context(), server, h, sandbox.LoadOptions{Writers: 4, Pause: 50 * time.Millisecond})
		soakRun(t, dir, "apply", "--auto-approve")
		if err := load.Stop(); err != nil {
			t.Fatal(err)
		}
		pushes += load.Pushes()
		if n%2 == 0 {
			soakWithout(t, filepath.Join(dir, "archives"), func() { soakProve(t, dir, checking) })
		} else {
			soakProve(t, dir, checking)
		}
	}
	if state := server.State(); !state.Idle() {
		t.Errorf("left in state %+v", state)
	}
	if met := server.Users().Unavailable; live && met > 0 {
		t.Errorf("%d requests met a 503", met)
	}
	t.Logf("%d backups, each restored and consistent; %d pushes meanwhile", runs, pushes)
}

// soakProve restores the newest backup and proves it consistent.
func soakProve(t *testing.T, dir string, checking sandbox.Checking) {
	t.Helper()
	entries, bad := catalog.Catalog{Dir: filepath.Join(dir, "state", "catalog")}.List()
	if len(entries) == 0 || len(bad) > 0 {
		t.Fatalf("catalog %v, %v", entries, bad)
	}
	id := string(entries[0].Manifest.ID)
	soakRun(t, dir, "restore", id, "--home", checking.Home, "--auto-approve")
	report, err := sandbox.Check(t.Context(), checking)
	if err != nil || len(report.Failures) > 0 {
		t.Fatalf("backup %s is not consistent: %v %v", id, report.Failures, err)
	}
	if err := os.RemoveAll(checking.Home); err != nil {
		t.Fatal(err)
	}
}

// soakWithout runs something while a folder is not there.
func soakWithout(t *testing.T, folder string, do func()) {
	t.Helper()
	aside := folder + ".aside"
	if err := os.Rename(folder, aside); err != nil {
		t.Fatal(err)
	}
	do()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, folder); err != nil {
		t.Fatal(err)
	}
}

const soakStorageConfig = `
bkp { state_dir = %[1]q }
instance "soak" {
  url           = %[2]q
  username      = "admin"
  password      = env("BKP_SOAK_ADMIN")
  home          = home.%[3]s.shared
  database      = database.embedded.main
  archives      = [archive.tar.local, archive.snapshots.kept]
  retention     = retention.few
  zero_downtime = %[6]v
}
home %[3]q "shared" { path = %[4]q }
database "embedded" "main" {}
archive "tar" "local" { destination = %[5]q }
archive "snapshots" "kept" {}
retention "few" { keep_last = 3 }
`
