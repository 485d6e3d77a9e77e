package home_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bkp/internal/host"
	"bkp/internal/lab/loopfs"
	"bkp/providers"
	"bkp/providers/home/mirror"
	"bkp/providers/home/rsync"
	"bkp/providers/providertest"
)

// mounted is a home on a file system of its own, with the repositories and a
// data store on others.
type mounted struct {
	home, repositories, store string
	open                      func() providers.Strategy
}

// mount makes a file system, and mounts it on a folder.
func mount(t *testing.T, on string) {
	t.Helper()
	dev := loopfs.MountSize(t, "ext4", 16<<20)
	if err := os.MkdirAll(on, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "--bind", dev, on).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(on, syscall.MNT_DETACH) })
}

func unmount(t *testing.T, at string) {
	t.Helper()
	if err := syscall.Unmount(at, 0); err != nil {
		t.Fatal(err)
	}
}

func onMounts(t *testing.T, def providers.Definition) mounted {
	t.Helper()
	dir := t.TempDir()
	m := mounted{home: filepath.Join(dir, "home"), store: filepath.Join(dir, "store")}
	m.repositories = filepath.Join(m.home, "shared", "data", "repositories")
	mount(t, m.home)
	mount(t, m.store)
	mount(t, m.repositories)
	makeTree(t, m.home, "shared/bitbucket.properties", "shared/config/x", "shared/data/avatars/1")
	for i := range 20 {
		makeTree(t, m.repositories, fmt.Sprintf("%d/HEAD", i), fmt.Sprintf("%d/objects/", i))
		makeTree(t, m.store, fmt.Sprintf("repositories/a/%d/%d/HEAD", i%3, 100+i))
	}
	m.open = func() providers.Strategy { return openAt(t, def, m.home, filepath.Join(dir, "work"), m.store) }
	return m
}

func openAt(t *testing.T, def providers.Definition, path, work string, stores ...string) providers.Strategy {
	t.Helper()
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		switch a.Name {
		case "path":
			a.Field(cfg).SetString(path)
		case "data_stores":
			a.Field(cfg).Set(reflect.ValueOf(stores))
		}
	}
	s, err := providers.Homes.Open(def, cfg, providers.Env{Address: "home.x.y", WorkDir: work, Host: &host.Host{}, Parallelism: 2})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func strategies(t *testing.T, test func(t *testing.T, def providers.Definition)) {
	t.Helper()
	for name, def := range map[string]providers.Definition{"mirror": mirror.Definition(), "rsync": rsync.Definition()} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("rsync"); err != nil && name == "rsync" {
				if os.Getenv("CI") == "true" {
					t.Fatal("no rsync; make deps installs it")
				}
				t.Skip("no rsync; make deps installs it")
			}
			test(t, def)
		})
	}
}

// losses are what takes most of a home away without a word.
var losses = []struct {
	name string
	do   func(t *testing.T, m mounted)
}{
	{"home unmounted", func(t *testing.T, m mounted) { unmount(t, m.repositories); unmount(t, m.home) }},
	{"repositories unmounted", func(t *testing.T, m mounted) { unmount(t, m.repositories) }},
	{"data store unmounted", func(t *testing.T, m mounted) { unmount(t, m.store) }},
	{"empty file system over the repositories", func(t *testing.T, m mounted) { mount(t, m.repositories) }},
	{"another home in its place", func(t *testing.T, m mounted) {
		unmount(t, m.repositories)
		unmount(t, m.home)
		makeTree(t, m.home, "shared/config/x", "shared/data/repositories/1/HEAD")
	}},
	{"repositories removed", func(t *testing.T, m mounted) {
		for _, dir := range []string{m.repositories, filepath.Join(m.store, "repositories")} {
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				_ = os.RemoveAll(filepath.Join(dir, e.Name()))
			}
		}
	}},
}

// TestAHomeThatWentSinceTheLastBackupStopsThePlan takes away what a backup
// holds, and asks what the plan of the next night says.
func TestAHomeThatWentSinceTheLastBackupStopsThePlan(t *testing.T) {
	strategies(t, func(t *testing.T, def providers.Definition) {
		for _, loss := range losses {
			t.Run(loss.name, func(t *testing.T) {
				m := onMounts(t, def)
				last := backUp(t, m.open())
				if got := refusals(t, m.open(), last); len(got) > 0 {
					t.Fatalf("nothing changed, and the plan says %q", got)
				}
				loss.do(t, m)
				if got := refusals(t, m.open(), last); len(got) == 0 {
					t.Error("the plan has no finding")
				}
			})
		}
	})
}

// backUp returns the artifact, as an archive completes it.
func backUp(t *testing.T, s providers.Strategy) providers.Earlier {
	t.Helper()
	if err := s.Prepare(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	a, err := s.Capture(t.Context(), providertest.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	stored := &providers.Part{}
	err = filepath.WalkDir(a.Dir(), func(string, os.DirEntry, error) error { stored.Files++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return providers.Earlier{Artifact: a, Copy: stored}
}

// refusals are the errors of a plan.
func refusals(t *testing.T, s providers.Strategy, earlier ...providers.Earlier) []string {
	t.Helper()
	r, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range slices.Concat(r.Findings, s.Compare(earlier)) {
		if f.Severity == "error" {
			out = append(out, f.Error())
		}
	}
	return out
}

// TestAHomeThatGoesDuringTheDrainIsNotCaptured takes it away between the live
// pass and the one under the lock.
func TestAHomeThatGoesDuringTheDrainIsNotCaptured(t *testing.T) {
	strategies(t, func(t *testing.T, def providers.Definition) {
		for _, loss := range losses {
			t.Run(loss.name, func(t *testing.T) {
				m := onMounts(t, def)
				s := m.open()
				if err := s.Prepare(t.Context(), providertest.ID); err != nil {
					t.Fatal(err)
				}
				release(t, s) // a watch keeps a file system busy
				loss.do(t, m)
				_, err := s.Capture(t.Context(), providertest.ID)
				if err == nil {
					t.Error("it was captured")
				}
				t.Log(err)
			})
		}
	})
}

func release(t *testing.T, s providers.Strategy) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAHomeThatGoesAfterThePlanIsNotPrepared: the plan may be hours old.
func TestAHomeThatGoesAfterThePlanIsNotPrepared(t *testing.T) {
	strategies(t, func(t *testing.T, def providers.Definition) {
		m := onMounts(t, def)
		r, err := m.open().Check(context.Background())
		if err != nil || r.Failed() {
			t.Fatal(err, r.Findings)
		}
		s := m.open()
		s.Expect(r.Facts)
		unmount(t, m.repositories)
		err = s.Prepare(t.Context(), providertest.ID)
		if err == nil || !strings.Contains(err.Error(), m.repositories+" is not mounted") {
			t.Errorf("got %v", err)
		}
	})
}

// TestAVolumeThatComesBackIsNoChange: after a night that the operator accepted,
// the home is as it was the night before.
func TestAVolumeThatComesBackIsNoChange(t *testing.T) {
	strategies(t, func(t *testing.T, def providers.Definition) {
		dir := t.TempDir()
		src := filepath.Join(dir, "home")
		repositories := filepath.Join(src, "shared", "data", "repositories")
		makeTree(t, src, "shared/config/x", "shared/data/repositories/")
		open := func() providers.Strategy { return openAt(t, def, src, filepath.Join(dir, "work")) }
		without := backUp(t, open())
		mount(t, repositories)
		with := backUp(t, open())
		if got := refusals(t, open(), without, with); len(got) > 0 {
			t.Errorf("it came back, and the plan says %q", got)
		}
		if got := refusals(t, open(), without); len(got) == 0 {
			t.Error("another file system was mounted, and the plan has no finding")
		}
	})
}

// TestAFolderReplacedDuringTheDrainIsNotCaptured needs no mount: a copy of the
// home stands in its place, on the same file system.
func TestAFolderReplacedDuringTheDrainIsNotCaptured(t *testing.T) {
	strategies(t, func(t *testing.T, def providers.Definition) {
		for _, rel := range []string{"", "shared", "shared/data/repositories"} {
			dir := t.TempDir()
			src := filepath.Join(dir, "home")
			tree := []string{"shared/config/x", "shared/data/repositories/1/HEAD"}
			makeTree(t, src, tree...)
			s := openAt(t, def, src, filepath.Join(dir, "work"))
			if err := s.Prepare(t.Context(), providertest.ID); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(src, rel), filepath.Join(dir, "moved")); err != nil {
				t.Fatal(err)
			}
			makeTree(t, src, tree...)
			if _, err := s.Capture(t.Context(), providertest.ID); err == nil || !strings.Contains(err.Error(), "was replaced by another folder") {
				t.Errorf("%q replaced: got %v", rel, err)
			}
			release(t, s)
		}
	})
}
