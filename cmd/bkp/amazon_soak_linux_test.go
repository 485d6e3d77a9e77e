package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bkp/internal/lab/aws"
	"bkp/internal/lab/sandbox"
	"bkp/internal/records/catalog"
)

// TestSoakAmazon makes backups in a row under load of a home and a data store on volumes of their
// own and of a database of RDS by each method. Each is restored, the volumes to folders and the
// database to a new one, and proven consistent.
func TestSoakAmazon(t *testing.T) { soakAmazon(t, soakRuns(2)) }

// TestLongBedSoakAmazon is TestSoakAmazon with fifty; it is part of make torture.
func TestLongBedSoakAmazon(t *testing.T) {
	if os.Getenv("BKP_BEDS") != "1" {
		t.Skip("it takes a quarter of an hour: make torture")
	}
	soakAmazon(t, soakRuns(50))
}

func soakAmazon(t *testing.T, runs int) {
	if os.Geteuid() != 0 {
		t.Skip("a volume can be attached by root only; run the tests as root")
	}
	for _, method := range []string{"point_in_time", "snapshot"} {
		t.Run(method, func(t *testing.T) {
			s := newAmazonSoak(t, method)
			pushes := 0
			for range runs {
				load := sandbox.StartLoad(t.Context(), s.server, s.home, sandbox.LoadOptions{Writers: 4, Pause: 50 * time.Millisecond})
				soakRun(t, s.dir, "apply", "--auto-approve")
				if err := load.Stop(); err != nil {
					t.Fatal(err)
				}
				pushes += load.Pushes()
				s.prove(t)
			}
			if snapshots, volumes := s.world.Left(); len(snapshots) > 2*3 || len(volumes) > 0 {
				t.Errorf("left: %v, %v", snapshots, volumes)
			}
			if state := s.server.State(); !state.Idle() || amazonFrozen(s.mount) || amazonFrozen(s.store) {
				t.Errorf("left in state %+v, or frozen", state)
			}
			t.Logf("%d backups, each restored and consistent; %d pushes meanwhile", runs, pushes)
		})
	}
}

type amazonSoak struct {
	world             *aws.World
	server            *sandbox.Server
	home              *sandbox.Home
	dir, mount, store string
}

func newAmazonSoak(t *testing.T, method string) *amazonSoak {
	t.Helper()
	s := &amazonSoak{world: aws.Start(t), server: sandbox.NewServer(sandbox.Options{}), dir: t.TempDir(), mount: t.TempDir(), store: t.TempDir()}
	s.world.Setenv(t)
	t.Setenv("BKP_SOAK_ADMIN", "admin")
	for _, point := range []string{s.mount, s.store} {
		if _, err := s.world.NewVolume(point, "xfs", ebsSize); err != nil {
			t.Fatal(err)
		}
	}
	rows := filepath.Join(s.dir, "rows")
	home, store := filepath.Join(s.mount, "home"), filepath.Join(s.store, "store")
	var err error
	s.home, err = sandbox.CreateHome(t.Context(), home, sandbox.HomeOptions{Repositories: 6, Commits: 5, DataStore: store, Database: "file://" + rows})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.home.Close() })
	const days = 7
	s.world.NewDatabase("bitbucket", days)
	s.world.Follow("bitbucket", rows)
	ts := httptest.NewServer(s.server)
	t.Cleanup(ts.Close)
	text := fmt.Sprintf(soakAmazonConfig, filepath.Join(s.dir, "state"), ts.URL, home, store, s.world.Endpoint, s.world.Sysfs, method)
	if err := os.WriteFile(filepath.Join(s.dir, "main.bkp.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

const soakAmazonConfig = `
bkp { state_dir = %[1]q }
instance "soak" {
  url       = %[2]q
  username  = "admin"
  password  = env("BKP_SOAK_ADMIN")
  home      = home.aws_ebs.shared
  database  = database.aws_rds.main
  archives  = [archive.snapshots.here]
  retention = retention.few
}
home "aws_ebs" "shared" {
  path        = %[3]q
  data_stores = [%[4]q]
  freeze      = "fsfreeze"
  endpoint    = %[5]q
  sysfs       = %[6]q
}
database "aws_rds" "main" {
  instance = "bitbucket"
  method   = %[7]q
  endpoint = %[5]q
}
archive "snapshots" "here" {}
retention "few" { keep_last = 3 }
`

// prove restores the newest backup and proves it consistent.
func (s *amazonSoak) prove(t *testing.T) {
	t.Helper()
	entries, bad := catalog.Catalog{Dir: filepath.Join(s.dir, "state", "catalog")}.List()
	if len(entries) == 0 || len(bad) > 0 {
		t.Fatalf("catalog %v, %v", entries, bad)
	}
	target := filepath.Join(s.dir, "restored")
	soakRun(t, s.dir, "restore", string(entries[0].Manifest.ID), "--home", target, "--database", "again", "--auto-approve")
	rows := filepath.Join(s.dir, "restored-rows")
	if err := os.WriteFile(rows, []byte(s.world.Read("again")), 0o600); err != nil {
		t.Fatal(err)
	}
	stores := filepath.Join(target+".stores", "0")
	report, err := sandbox.Check(t.Context(), sandbox.Checking{Home: target, Stores: []string{stores}, Database: "file://" + rows})
	if err != nil || len(report.Failures) > 0 || report.Repositories != 6 {
		t.Fatalf("backup %s is not consistent: %v %v", entries[0].Manifest.ID, report.Failures, err)
	}
	s.world.Drop("again")
	for _, dir := range []string{target, target + ".stores"} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}
