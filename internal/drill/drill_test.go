package drill

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/catalog"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/restore"
	"bkp/providers"
)

const id = providers.BackupID("prod-20261122T214431Z")

func TestCleanRemovesWhatAKilledDrillLeft(t *testing.T) {
	state, parent := t.TempDir(), t.TempDir()
	f, err := makeFolder(state, parent, id)
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	for _, dir := range []string{outside, filepath.Join(f.home(), "closed", "deep")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(filepath.Join(outside, "file"), nil, 0o600), os.Symlink(outside, filepath.Join(f.home(), "link")),
		os.Chmod(filepath.Join(f.home(), "closed"), 0o500)); err != nil {
		t.Fatal(err)
	}
	// While it lives nobody touches it, and there is no second one.
	if path, err := Clean(t.Context(), state); path != "" || err != nil {
		t.Errorf("cleaned %q under a living drill: %v", path, err)
	}
	if _, err := makeFolder(state, parent, id); !errors.Is(err, ErrRunning) {
		t.Errorf("a second drill: %v", err)
	}
	if info, err := os.Stat(f.private()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("what is restored is not private: %v %v", info, err)
	}
	// As the kernel does it when the drill dies.
	if err := f.lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordPath(state)+".partial", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := Clean(t.Context(), state); path != f.path || err != nil {
		t.Errorf("cleaned %q: %v", path, err)
	}
	if left, _ := filepath.Glob(filepath.Join(state, "*.json*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(filepath.Join(outside, "file")); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
	if path, err := Clean(t.Context(), state); path != "" || err != nil {
		t.Errorf("cleaned twice: %q %v", path, err)
	}
}

// TestCleanRemovesNothingElse gives it records that no drill writes. They name
// only what may be lost: the test must do no harm when it fails.
func TestCleanRemovesNothingElse(t *testing.T) {
	state, precious := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	if err := os.Mkdir(precious, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{"path":"` + precious + `"}`, `{"path":""}`, `{"path":"bkp-drill-x"}`, `{`} {
		if err := os.WriteFile(recordPath(state), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if path, err := Clean(t.Context(), state); err == nil {
			t.Errorf("%s: cleaned %q", text, path)
		}
		if _, err := os.Stat(precious); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

func TestCleanEndsWhatWorksInTheFolder(t *testing.T) {
	if _, err := os.Stat("/proc/self/cwd"); err != nil {
		t.Skip("processes cannot be found here: there is no /proc")
	}
	state := t.TempDir()
	f, err := makeFolder(state, t.TempDir(), id)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "600")
	cmd.Dir = f.private()
	if err := errors.Join(cmd.Start(), f.lock.Unlock()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if _, err := Clean(t.Context(), state); err != nil {
		_ = cmd.Process.Kill()
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("it ended by itself")
	}
}

// fakeHome is a home of any size.
type fakeHome struct{ providers.Strategy }

func (h fakeHome) Retarget(string) (providers.Strategy, error) { return h, nil }

func TestDrillLooksForSpaceFirst(t *testing.T) {
	parent := t.TempDir()
	for name, a := range map[string]providers.Artifact{
		"bytes": {Address: "home.mirror.shared", SHA256: "00", Bytes: 1 << 60},
		"files": {Address: "home.mirror.shared", SHA256: "00", Files: 1 << 40},
	} {
		_, err := Run(t.Context(), Request{
			Plan:   restore.Plan{ID: id, Parts: []restore.Part{{Artifact: a, Strategy: fakeHome{}}}},
			Parent: parent, StateDir: t.TempDir(), Host: &host.Host{}, Sink: event.Discard{},
		})
		var p *problem.Problem
		if !errors.As(err, &p) || p.Summary != "not enough space for a drill" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// As files take blocks, too many of them are too many bytes as well.
	d := &drill{Request: Request{Parent: parent, Host: &host.Host{}}}
	if err := d.space(nil, 1<<40); err == nil || !strings.Contains(err.Error(), "more files") {
		t.Errorf("files alone: %v", err)
	}
}

func TestBothWays(t *testing.T) {
	d := &drill{folder: &folder{path: "/scratch"}}
	d.bothWays([]int64{1, 2, 3, 4}, providers.RepositorySet{
		Found: []providers.Repository{
			{ID: 1, Dir: "/scratch/private/home/1"}, {ID: 2, Dir: "/scratch/private/home/2"},
			{ID: 2, Dir: "/scratch/private/home.stores/0/2"}, {ID: 9, Dir: "/scratch/private/home/9"},
		},
		Excluded: []int64{4},
	})
	got := strings.Join(d.result.Differences, "\n")
	const want = "repository 2 is on disk twice: in home/2 and in home.stores/0/2\n" +
		"repository 3 is in the database and not on disk\n" +
		"repository 9 is on disk, in home/9, and not in the database"
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if d.result.Database != catalog.DrilledDatabase("") {
		t.Errorf("comparing says what became of the database: %q", d.result.Database)
	}
}
