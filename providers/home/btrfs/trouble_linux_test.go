package btrfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/lab/loopfs"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// furnish makes a folder a home.
func furnish(t *testing.T, path string) {
	t.Helper()
	dir := filepath.Join(path, "shared", "data", "repositories", "1")
	if err := errors.Join(os.MkdirAll(dir, 0o750), os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/master\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func openAt(t *testing.T, c Config) providers.Strategy {
	t.Helper()
	s, err := open(c, providers.Env{
		Address: "home.btrfs.x", WorkDir: filepath.Join(t.TempDir(), "work"), Host: &host.Host{}, Parallelism: 2, Instance: providers.Instance{Name: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(path string) Config { return Config{Config: home.Config{Path: path}} }

// run runs a tool until it succeeds once.
func tool1(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", argv, err, out)
	}
}

// TestCheckNamesTheCause breaks what a snapshot needs, each in its way.
func TestCheckNamesTheCause(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		arrange  func(t *testing.T, on string) Config
		want     string
		severity problem.Severity
	}{
		"ext4": {func(t *testing.T, _ string) Config {
			path := filepath.Join(loopfs.Mount(t, "ext4"), "home")
			furnish(t, path)
			return at(path)
		}, "folder is not on btrfs", problem.Error},
		"a bind mount of a folder": {func(t *testing.T, on string) Config {
			path := filepath.Join(t.TempDir(), "bound")
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			furnish(t, filepath.Join(on, "folder"))
			loopfs.Bind(t, filepath.Join(on, "folder"), path)
			return at(path)
		}, "subvolume is not mounted", problem.Error},
		"the home is all that is mounted": {func(t *testing.T, on string) Config {
			furnish(t, on)
			return at(on)
		}, "no folder for snapshots", problem.Error},
		"another file system inside": {func(t *testing.T, on string) Config {
			path := filepath.Join(on, "home")
			furnish(t, path)
			inner := filepath.Join(path, "shared", "data", "attachments")
			if err := os.Mkdir(inner, 0o755); err != nil {
				t.Fatal(err)
			}
			loopfs.Bind(t, loopfs.Mount(t, "ext4"), inner)
			return at(path)
		}, "folder is not on btrfs", problem.Error},
		"read-only": {func(t *testing.T, on string) Config {
			furnish(t, filepath.Join(on, "home"))
			tool1(t, "mount", "-o", "remount,ro", on)
			return at(filepath.Join(on, "home"))
		}, "file system is read-only", problem.Error},
		"full": {func(t *testing.T, on string) Config {
			furnish(t, filepath.Join(on, "home"))
			_ = exec.CommandContext(t.Context(), "dd", "if=/dev/urandom", "of="+filepath.Join(on, "filler"), "bs=1M").Run() // until it is full
			tool1(t, "sync", "-f", on)
			return at(filepath.Join(on, "home"))
		}, "file system is nearly full", problem.Error},
		"quotas": {func(t *testing.T, on string) Config {
			furnish(t, filepath.Join(on, "home"))
			btrfs(t, "quota", "enable", on)
			return at(filepath.Join(on, "home"))
		}, "quotas make removing snapshots slow", problem.Warning},
		"nothing": {func(t *testing.T, on string) Config {
			furnish(t, filepath.Join(on, "home"))
			return at(filepath.Join(on, "home"))
		}, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openAt(t, c.arrange(t, loopfs.Mount(t, "btrfs")))
			r, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found := c.want == ""
			for _, f := range r.Findings {
				if f.Remedy == "" || f.Severity == problem.Error && f.Summary != c.want {
					t.Errorf("%+v", f)
				}
				found = found || f.Summary == c.want && f.Severity == c.severity
			}
			if !found {
				t.Errorf("want %q: %+v", c.want, r.Findings)
			}
		})
	}
}

// TestAHomeInAFolderOfASubvolume: the folder for snapshots lies beside it, in the
// same subvolume, and every snapshot has an older state of it.
func TestAHomeInAFolderOfASubvolume(t *testing.T) {
	t.Parallel()
	path := filepath.Join(loopfs.Mount(t, "btrfs"), "home")
	furnish(t, path)
	s := openAt(t, at(path))
	for _, b := range []providers.BackupID{"test-20261101T000000Z", "test-20261102T000000Z"} {
		a := capture(t, s, b)
		if len(a.Trees) != 1 {
			t.Fatalf("%+v", a.Trees)
		}
		providertest.SameTrees(t, providertest.Tree(t, path), providertest.Tree(t, a.Trees[0].Path), nil)
		if err := errors.Join(s.Close(), s.Discard(t.Context(), b)); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(filepath.Dir(path), usualDir)); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func capture(t *testing.T, s providers.Strategy, b providers.BackupID) providers.Artifact {
	t.Helper()
	if err := s.Prepare(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	a, err := s.Capture(t.Context(), b)
	if err == nil {
		a, err = s.Finish(t.Context(), a)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestSubvolumesMountedInsideAreCaptured: a subvolume of the same file system, one
// of another, and one that is nested in it.
func TestSubvolumesMountedInsideAreCaptured(t *testing.T) {
	t.Parallel()
	on, other := loopfs.Mount(t, "btrfs"), loopfs.Mount(t, "btrfs")
	path := filepath.Join(on, "home")
	makeSubvolume(t, path)
	furnish(t, path)
	for inner, from := range map[string]string{"shared/data/attachments": filepath.Join(on, "@attachments"), "shared/data/git-lfs": filepath.Join(other, "@lfs")} {
		makeSubvolume(t, from)
		makeSubvolume(t, filepath.Join(from, "nested"))
		dir := filepath.Join(path, filepath.FromSlash(inner))
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(from, "nested", "file"), []byte(inner), 0o600)); err != nil {
			t.Fatal(err)
		}
		loopfs.Bind(t, from, dir)
	}
	c := at(path)
	s := openAt(t, c)
	if r, err := s.Check(t.Context()); err != nil || !r.Failed() {
		t.Errorf("there is no folder for the snapshots of the other file system: %v, %v", r.Findings, err)
	}
	c.Snapshots = []string{filepath.Join(on, "s"), filepath.Join(other, "s")}
	s = openAt(t, c)
	r, err := s.Check(t.Context())
	if err != nil || r.Failed() || strings.Count(r.Does[providers.Capture], on)+strings.Count(r.Does[providers.Capture], other) != 5 {
		t.Fatalf("check: %v, %v, %v", r.Findings, r.Does, err)
	}
	want := providertest.Tree(t, path)
	a := capture(t, s, providertest.ID)
	providertest.SameTrees(t, want, providertest.Tree(t, a.Trees[0].Path), nil)
	if err := errors.Join(s.Close(), s.Discard(t.Context(), providertest.ID)); err != nil {
		t.Error(err)
	}
	if n := strings.Count(btrfs(t, "subvolume", "list", "-r", on)+btrfs(t, "subvolume", "list", "-r", other), "\n"); n > 0 {
		t.Errorf("%d snapshots are left", n)
	}
}

// TestASubvolumeThatComesDuringTheBackup would be empty in it.
func TestASubvolumeThatComesDuringTheBackup(t *testing.T) {
	t.Parallel()
	path := filepath.Join(loopfs.Mount(t, "btrfs"), "home")
	furnish(t, path)
	s := openAt(t, at(path))
	if err := s.Prepare(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	makeSubvolume(t, filepath.Join(path, "shared", "data", "attachments"))
	a, err := s.Capture(t.Context(), providertest.ID)
	if err == nil {
		_, err = s.Finish(t.Context(), a)
	}
	if err == nil || problem.Remedy(err) == "" {
		t.Errorf("got %v", err)
	}
	if err := s.Discard(t.Context(), providertest.ID); err != nil {
		t.Error(err)
	}
}

// TestASnapshotThatVanishes between the capture and what comes after it is an
// error, and never an empty backup.
func TestASnapshotThatVanishes(t *testing.T) {
	t.Parallel()
	on := loopfs.Mount(t, "btrfs")
	path := filepath.Join(on, "home")
	makeSubvolume(t, path)
	furnish(t, path)
	vanish := func(t *testing.T) {
		found, _ := filepath.Glob(filepath.Join(on, usualDir, "*", "0"))
		if len(found) != 1 {
			t.Fatalf("there are %v", found)
		}
		btrfs(t, "subvolume", "delete", found[0])
	}
	gone := func(t *testing.T, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "snapshot is gone") || problem.Remedy(err) == "" {
			t.Errorf("got %v", err)
		}
	}
	s := openAt(t, at(path))
	if err := s.Prepare(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	a, err := s.Capture(t.Context(), providertest.ID)
	if err != nil {
		t.Fatal(err)
	}
	vanish(t)
	_, err = s.Finish(t.Context(), a)
	gone(t, err)

	a = capture(t, s, providertest.ID)
	vanish(t)
	m := providers.Manifest{Format: providers.ManifestFormat, ID: providertest.ID, Instance: "test", Artifacts: []providers.Artifact{a}}
	_, err = s.(providers.Keeper).Keep(t.Context(), m, a)
	gone(t, err)
	if err := s.Discard(t.Context(), providertest.ID); err != nil {
		t.Error(err)
	}
}

// TestWhatSomebodyPutThereStays: no name makes a folder ours.
func TestWhatSomebodyPutThereStays(t *testing.T) {
	t.Parallel()
	on := loopfs.Mount(t, "btrfs")
	path, place := filepath.Join(on, "home"), filepath.Join(on, usualDir)
	makeSubvolume(t, path)
	furnish(t, path)
	s := openAt(t, at(path))
	capture(t, s, providertest.ID)
	own, err := filepath.Glob(filepath.Join(place, "*"))
	if err != nil || len(own) != 1 {
		t.Fatalf("%v, %v", own, err)
	}
	// A copy of the folder without its record, and a snapshot of somebody's inside
	// ours.
	foreign := strings.Replace(own[0], "20261122", "20261101", 1)
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	btrfs(t, "subvolume", "snapshot", "-r", path, filepath.Join(foreign, "0"))
	btrfs(t, "subvolume", "snapshot", "-r", path, filepath.Join(own[0], "somebody's"))
	if err := s.Discard(t.Context(), providertest.ID); err == nil || problem.Remedy(err) == "" {
		t.Errorf("it was removed with what somebody put there: %v", err)
	}
	btrfs(t, "subvolume", "delete", filepath.Join(own[0], "somebody's"))
	if err := errors.Join(s.Prepare(t.Context(), "test-20261231T000000Z"), s.Discard(t.Context(), "test-20261231T000000Z")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(place)
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(foreign) {
		t.Errorf("left: %v, %v", entries, err)
	}
}
