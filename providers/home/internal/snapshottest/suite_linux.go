// Package snapshottest is the suite of storages that take snapshots of volumes, and
// of the homes on them. Each storage brings its volumes; what must hold of all of them
// stands here.
package snapshottest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
)

// ID is the backup of most tests.
const ID = providers.BackupID("test-20261122T214431Z")

// Suite is what is particular to a storage.
type Suite struct {
	// Type of the home, as in home "TYPE".
	Type string
	// Open opens the home.
	Open func(path string, stores []string, env providers.Env) (providers.Strategy, error)
	// Storage is that of the home, as a new process has it.
	Storage func() snapshot.Storage
}

// Address is that of the home.
func (s Suite) Address() string { return "home." + s.Type + ".x" }

// Tag is that of the backup ID.
func (s Suite) Tag() snapshot.Tag {
	return snapshot.Tag{Backup: ID, Address: s.Address(), Owner: "0123abcd"}
}

// home opens the home as another process has it.
func (s Suite) home(c child) (*snapshot.Home, error) {
	opened, err := s.Open(c.Home, c.Stores, providers.Env{
		Address: s.Address(), WorkDir: c.WorkDir, Host: &host.Host{}, Parallelism: 2, Instance: providers.Instance{Name: "test"},
	})
	if err != nil {
		return nil, err
	}
	return opened.(*snapshot.Home), nil
}

// Run runs a tool that must succeed, and returns what it printed.
func Run(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput() //nolint:noctx // a test in a guest has no other end
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

// OK fails the test for an error.
func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err, problem.Remedy(err))
	}
}

// Find returns the volumes of folders.
func Find(t *testing.T, s snapshot.Storage, dirs ...string) []snapshot.Volume {
	t.Helper()
	var out []snapshot.Volume
	for _, dir := range dirs {
		v, _, err := s.Find(t.Context(), dir)
		OK(t, err)
		out = append(out, v)
	}
	return out
}

// Take takes snapshots for the backup ID.
func (s Suite) Take(t *testing.T, of snapshot.Storage, volumes []snapshot.Volume) []snapshot.Snapshot {
	t.Helper()
	OK(t, of.Prepare(t.Context(), s.Tag(), volumes))
	taken, err := of.Take(t.Context(), s.Tag(), volumes)
	OK(t, err)
	return taken
}

// OneSet returns the set of the backup ID, which must be the only one.
func (s Suite) OneSet(t *testing.T, of snapshot.Storage) snapshot.Set {
	t.Helper()
	sets, findings, err := of.Sets(t.Context())
	OK(t, err)
	if len(sets) != 1 || len(findings) > 0 || sets[0].Tag != s.Tag() {
		t.Fatalf("sets %+v, findings %v", sets, findings)
	}
	return sets[0]
}

// Steps takes the steps of a backup on the volumes of folders, each a volume of its
// own. It leaves nothing, and returns the snapshots that there were.
func (s Suite) Steps(t *testing.T, dirs ...string) []snapshot.Snapshot {
	t.Helper()
	for _, dir := range dirs {
		OK(t, os.MkdirAll(filepath.Join(dir, "in", "side"), 0o755))
		OK(t, os.WriteFile(filepath.Join(dir, "in", "side", "file"), []byte("before"), 0o600))
	}
	storage := s.Storage()
	volumes := Find(t, storage, dirs...)
	for i, dir := range dirs {
		v, rel, err := storage.Find(t.Context(), filepath.Join(dir, "in", "side"))
		OK(t, err)
		if v != volumes[i] || v.Root != dir || rel != "in/side" {
			t.Errorf("found %+v, %q in %+v", v, rel, volumes[i])
		}
	}
	findings, err := storage.Check(t.Context(), volumes)
	OK(t, err)
	if len(findings) > 0 {
		t.Errorf("findings: %v", findings)
	}
	taken := s.Take(t, storage, volumes)
	for _, dir := range dirs {
		OK(t, os.WriteFile(filepath.Join(dir, "in", "side", "file"), []byte("after"), 0o600))
	}
	if set := s.OneSet(t, s.Storage()); set.Kept() || len(set.Snapshots) != len(dirs) {
		t.Errorf("set %+v", set)
	}
	s.mounts(t, taken)
	s.keeps(t)
	return taken
}

// mounts expects each snapshot to be mounted as it was taken, and not to be removed
// while it is.
func (s Suite) mounts(t *testing.T, taken []snapshot.Snapshot) {
	t.Helper()
	storage := s.Storage() // a new process
	var mounted []string
	for _, sn := range taken {
		at := filepath.Join(t.TempDir(), "at")
		OK(t, os.Mkdir(at, 0o700))
		OK(t, storage.Mount(t.Context(), sn, at))
		mounted = append(mounted, at)
		if text, err := os.ReadFile(filepath.Join(at, "in", "side", "file")); err != nil || string(text) != "before" {
			t.Errorf("the snapshot holds %q, %v", text, err)
		}
		if err := os.WriteFile(filepath.Join(at, "x"), nil, 0o600); err == nil {
			t.Error("the snapshot can be written to")
		}
	}
	for i, at := range mounted {
		Run(t, "umount", at)
		OK(t, storage.Release(t.Context(), taken[i]))
		OK(t, storage.Release(t.Context(), taken[i]))
	}
}

// keeps keeps the set with manifests of different sizes, and deletes it.
func (s Suite) keeps(t *testing.T) {
	t.Helper()
	storage := s.Storage()
	long := strings.Repeat(`{"id": "x", "a long manifest": "`+string(ID)+`"}`, 200)
	for _, manifest := range []string{long, long, "short"} {
		OK(t, storage.Keep(t.Context(), s.OneSet(t, storage), []byte(manifest)))
		if set := s.OneSet(t, s.Storage()); string(set.Manifest) != manifest {
			t.Errorf("the manifest is %d bytes, want %d", len(set.Manifest), len(manifest))
		}
	}
	set := s.OneSet(t, storage)
	for _, sn := range set.Snapshots {
		OK(t, storage.Intact(t.Context(), sn))
	}
	for range 2 {
		OK(t, storage.Delete(t.Context(), set))
	}
	if left, _, err := s.Storage().Sets(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, sn := range set.Snapshots {
		if err := storage.Intact(t.Context(), sn); err == nil || problem.Remedy(err) == "" {
			t.Errorf("a snapshot that is gone: %v", err)
		}
		if err := storage.Mount(t.Context(), sn, t.TempDir()); err == nil {
			t.Error("a snapshot that is gone was mounted")
		}
	}
}
