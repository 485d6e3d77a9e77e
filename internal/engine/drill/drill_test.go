package drill

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bkp/internal/engine/restore"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

const id = providers.BackupID("prod-20261122T214431Z")

func records(state string) catalog.Catalog {
	return catalog.Catalog{Dir: filepath.Join(state, "catalog")}
}

func TestCleanRemovesWhatAKilledDrillLeft(t *testing.T) {
	state, parent := t.TempDir(), t.TempDir()
	lock, err := lockState(state)
	if err != nil {
		t.Fatal(err)
	}
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
	if path, err := Clean(records(state), state); path != "" || err != nil {
		t.Errorf("cleaned %q under a living drill: %v", path, err)
	}
	if _, err := lockState(state); !errors.Is(err, ErrRunning) {
		t.Errorf("a second drill: %v", err)
	}
	if info, err := os.Stat(f.private()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("what is restored is not private: %v %v", info, err)
	}
	// As the kernel does it when the drill dies.
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordPath(state)+".partial", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(records(state).Dir, "drills", "."+string(id)+".json123")
	if err := errors.Join(os.MkdirAll(filepath.Dir(half), 0o700), os.WriteFile(half, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if path, err := Clean(records(state), state); path != f.path || err != nil {
		t.Errorf("cleaned %q: %v", path, err)
	}
	if left, _ := filepath.Glob(filepath.Join(state, "*.json*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(half); err == nil {
		t.Error("the beginning of a result is still there")
	}
	if _, err := os.Stat(filepath.Join(outside, "file")); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
	if path, err := Clean(records(state), state); path != "" || err != nil {
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
		if path, err := Clean(records(state), state); err == nil {
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
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if _, err := Clean(records(state), state); err != nil {
		_ = cmd.Process.Kill()
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("it ended by itself")
	}
}

// fakeHome is the restorer of a home of any size.
type fakeHome struct{ providers.BaseRestorer }

func (fakeHome) Restore(context.Context, providers.Artifact) error { return nil }

func (fakeHome) Repositories(context.Context, providers.Artifact) (providers.RepositorySet, error) {
	return providers.RepositorySet{}, nil
}

func TestDrillLooksForSpaceFirst(t *testing.T) {
	parent := t.TempDir()
	a := providers.Artifact{Address: "home.mirror.shared"}
	for name, stored := range map[string]providers.Part{"bytes": {Bytes: 1 << 60}, "files": {Files: 1 << 40}} {
		_, err := Run(t.Context(), Request{
			Plan:   restore.Plan{ID: id, Parts: []restore.Part{{Artifact: a, Copy: &stored, Restorer: fakeHome{}}}},
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
	set := providers.RepositorySet{
		Found: []providers.Repository{
			{ID: 1, Dir: "/scratch/private/home/1"}, {ID: 2, Dir: "/scratch/private/home/2"},
			{ID: 2, Dir: "/scratch/private/home.stores/0/2"}, {ID: 9, Dir: "/scratch/private/home/9"},
		},
		Excluded: []int64{4},
	}
	d.bothWays([]int64{1, 2, 3, 4}, set, d.differ)
	got := strings.Join(d.result.Differences, "\n")
	const twice = "repository 2 is on disk twice: in home/2 and in home.stores/0/2"
	const alone = "repository 3 is in the database and not on disk\n" +
		"repository 9 is on disk, in home/9, and not in the database"
	if got != twice+"\n"+alone {
		t.Errorf("got\n%s", got)
	}
	if d.result.Database != catalog.DrilledDatabase("") {
		t.Errorf("comparing says what became of the database: %q", d.result.Database)
	}
	// What users may have done during a capture without a lock is no fault of the
	// backup; one repository in two places is.
	d.result = catalog.Drill{}
	d.bothWays([]int64{1, 2, 3, 4}, set, d.tolerate)
	if got := strings.Join(d.result.Tolerated, "\n"); got != alone || len(d.result.Differences) != 1 || d.result.Differences[0] != twice {
		t.Errorf("tolerated\n%s\ndifferences %q", got, d.result.Differences)
	}
}

// flakyHome is a home whose restores fail as often as configured.
type flakyHome struct {
	providers.BaseRestorer
	failures *int
	with     error
}

// leading is a strategy whose restorers are all the same.
type leading struct {
	providers.Strategy
	to providers.Restorer
}

func (l leading) Restorer(string) (providers.Restorer, error) { return l.to, nil }

func (flakyHome) Repositories(context.Context, providers.Artifact) (providers.RepositorySet, error) {
	return providers.RepositorySet{}, nil
}

func (h flakyHome) Restore(context.Context, providers.Artifact) error {
	if *h.failures--; *h.failures >= 0 {
		return h.with
	}
	return nil
}

// TestARestoreIsTriedTwice: what is wrong with this machine does not count against
// the backup, and neither is what goes wrong only once.
func TestARestoreIsTriedTwice(t *testing.T) {
	odd := errors.New("a dump that nobody can read")
	for name, c := range map[string]struct {
		failures int
		with     error
		proven   bool
		// recorded: as proven, or as not.
		recorded bool
		left     int
	}{
		"well":                    {0, odd, true, true, -1},
		"once":                    {1, odd, true, true, -1},
		"always":                  {9, odd, false, true, 7},
		"a disk once":             {1, syscall.EIO, true, true, -1},
		"a disk":                  {9, syscall.EIO, false, false, 7},
		"a full disk, not again":  {1, syscall.ENOSPC, false, false, 0},
		"a tool was killed":       {9, &host.ExitError{Tool: "pg_restore", Code: -1, Signal: syscall.SIGKILL}, false, false, 7},
		"a tool crashes":          {9, &host.ExitError{Tool: "pg_restore", Code: -1, Signal: syscall.SIGSEGV}, false, true, 7},
		"a server is full":        {9, &host.ExitError{Tool: "pg_restore", Code: 1, Stderr: "ERROR: could not extend file: No space left on device"}, false, false, 8},
		"a server is down":        {9, errors.New("server not reachable: 127.0.0.1:1: dial tcp: connect: connection refused"), false, false, 7},
		"a tool found it broken":  {9, &host.ExitError{Tool: "pg_restore", Code: 1}, false, true, 7},
		"a tool was killed, once": {1, &host.ExitError{Tool: "pg_restore", Code: -1, Signal: syscall.SIGKILL}, true, true, -1},
	} {
		t.Run(name, func(t *testing.T) {
			state, parent, failures := t.TempDir(), t.TempDir(), c.failures
			a := providers.Artifact{Address: "home.mirror.shared", Trees: providers.OneTree(parent)}
			to := flakyHome{failures: &failures, with: c.with}
			result, err := Run(t.Context(), Request{
				Plan:   restore.Plan{ID: id, Parts: []restore.Part{{Artifact: a, Restorer: to, Strategy: leading{to: to}}}},
				Parent: parent, StateDir: state, Records: records(state), Host: &host.Host{}, Sink: event.Discard{},
			})
			if (err == nil) != c.recorded || result.Proven != c.proven || failures != c.left {
				t.Errorf("%+v, %v, %d failures to come", result, err, failures)
			}
			d, err := records(state).Drill(id)
			if err != nil || (d != nil) != c.recorded || d != nil && d.Proven != c.proven {
				t.Errorf("recorded: %+v, %v", d, err)
			}
			if left, _ := os.ReadDir(parent); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestGitThatIsKilledSaysNothing: only what git says twice is about the repository.
func TestGitThatIsKilledSaysNothing(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	for name, c := range map[string]struct {
		script string
		wrong  bool
		fails  bool
	}{
		"fails twice":   {"exit 1", true, false},
		"fails once":    {`test -e "` + dir + `/once" && exit 0; touch "` + dir + `/once"; exit 1`, false, false},
		"killed twice":  {"kill -9 $$", false, true},
		"killed once":   {`test -e "` + dir + `/killed" && exit 0; touch "` + dir + `/killed"; kill -9 $$`, false, false},
		"crashes twice": {"kill -SEGV $$", true, false},
		"nothing wrong": {"exit 0", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\n"+c.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			g := newGit(&host.Host{}, dir, providers.RepositorySet{})
			wrong, err := g.read(t.Context(), providers.Repository{ID: 1, Dir: dir})
			if (wrong != "") != c.wrong || (err != nil) != c.fails {
				t.Errorf("%q, %v", wrong, err)
			}
		})
	}
}

// restoring restores nothing.
type restoring struct{ providers.BaseRestorer }

func (restoring) Restore(context.Context, providers.Artifact) error { return nil }

// rehearsing is a database whose rehearsal is given.
type rehearsing struct {
	providers.Strategy
	trial providers.Rehearsal
}

func (rehearsing) CheckRehearsal(context.Context, providers.Artifact, providers.Place) (providers.Report, error) {
	return providers.Report{}, nil
}

func (r rehearsing) Rehearse(context.Context, providers.Artifact, providers.Place) (providers.Rehearsal, error) {
	return r.trial, nil
}

// flakyTrial is one that, once the database is restored, fails to answer as often
// as configured.
type flakyTrial struct {
	failures *int
	with     error
}

func (flakyTrial) Restorer() providers.Restorer { return restoring{} }
func (flakyTrial) Close() error                 { return nil }
func (flakyTrial) NotImitated() []string        { return nil }
func (f flakyTrial) Named(context.Context) (ids []int64, known bool, err error) {
	if *f.failures--; *f.failures >= 0 {
		return nil, false, f.with
	}
	return nil, true, nil
}

// TestTheDatabaseIsAskedTwice: a connection that is lost does not count against the
// backup.
func TestTheDatabaseIsAskedTwice(t *testing.T) {
	lost := errors.New("conn closed")
	for name, c := range map[string]struct {
		failures         int
		with             error
		proven, recorded bool
	}{
		"well":       {0, lost, true, true},
		"once":       {1, lost, true, true},
		"lost twice": {2, lost, false, false},
		"always":     {2, errors.New("no table repository"), false, true},
		"down":       {2, syscall.ECONNREFUSED, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			state, failures := t.TempDir(), c.failures
			a := providers.Artifact{Address: "database.x.main", Trees: providers.OneTree(t.TempDir())}
			result, err := Run(t.Context(), Request{
				Plan:   restore.Plan{ID: id, Parts: []restore.Part{{Artifact: a, Restorer: restoring{}, Strategy: rehearsing{trial: flakyTrial{&failures, c.with}}}}},
				Parent: t.TempDir(), StateDir: state, Records: records(state), Host: &host.Host{}, Sink: event.Discard{},
			})
			if (err == nil) != c.recorded || result.Proven != c.proven {
				t.Errorf("%+v, %v", result, err)
			}
			if d, err := records(state).Drill(id); err != nil || (d != nil) != c.recorded {
				t.Errorf("recorded: %+v, %v", d, err)
			}
		})
	}
}

// unlikeTrial is one that is unlike a restore, and perhaps fails.
type unlikeTrial struct {
	flakyTrial
	fails error
}

func (u unlikeTrial) Restorer() providers.Restorer {
	return flakyHome{failures: u.failures, with: u.fails}
}
func (unlikeTrial) NotImitated() []string { return []string{"the server is another one"} }
func (unlikeTrial) Named(context.Context) ([]int64, bool, error) {
	return nil, true, nil
}

// TestWhatWasNotImitatedIsNotProven, and a failure that may come of it is not
// counted against the backup.
func TestWhatWasNotImitatedIsNotProven(t *testing.T) {
	for name, c := range map[string]struct {
		failures int
		database catalog.DrilledDatabase
		entries  int
	}{
		"restored": {0, catalog.DatabaseRestored, 1},
		"failed":   {9, catalog.DatabaseNotRestored, 2},
	} {
		t.Run(name, func(t *testing.T) {
			state, failures := t.TempDir(), c.failures
			a := providers.Artifact{Address: "database.x.main", Trees: providers.OneTree(t.TempDir())}
			_, err := Run(t.Context(), Request{
				Plan:   restore.Plan{ID: id, Parts: []restore.Part{{Artifact: a, Restorer: restoring{}, Strategy: rehearsing{trial: unlikeTrial{flakyTrial{failures: &failures}, errors.New("no such type")}}}}},
				Parent: t.TempDir(), StateDir: state, Records: records(state), Host: &host.Host{}, Sink: event.Discard{},
			})
			d, errRead := records(state).Drill(id)
			if err != nil || errRead != nil || d == nil {
				t.Fatal(err, errRead, d)
			}
			if d.Proven || len(d.Differences) > 0 || d.Database != c.database || len(d.NotImitated) != c.entries {
				t.Errorf("recorded: %+v", d)
			}
			if last, err := records(state).LastProven(id.Instance(), ""); last != nil || err != nil {
				t.Errorf("last proven: %+v %v", last, err)
			}
		})
	}
}

// TestADrillPassesOverNothing: a part that is neither the home nor the database,
// and a second home, are refused; what somebody else backs up is none.
func TestADrillPassesOverNothing(t *testing.T) {
	home := restore.Part{Artifact: providers.Artifact{Address: "home.a.x", Life: providers.Native}, Restorer: fakeHome{}}
	cases := map[string]struct {
		other  restore.Part
		refuse bool
	}{
		"a second home":          {restore.Part{Artifact: providers.Artifact{Address: "home.b.y", Life: providers.Native}, Restorer: fakeHome{}}, true},
		"something else":         {restore.Part{Artifact: providers.Artifact{Address: "search.a.z", Life: providers.Native}, Restorer: restoring{}}, true},
		"what somebody else has": {restore.Part{Artifact: providers.Artifact{Address: "home.none.z", Life: providers.External}, Restorer: fakeHome{}}, false},
	}
	for name, c := range cases {
		d := &drill{Request: Request{Plan: restore.Plan{ID: id, Parts: []restore.Part{home, c.other}}}}
		err := d.sort()
		if (err != nil) != c.refuse {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && d.home.Artifact.Address != "home.a.x" {
			t.Errorf("%s: the home is %s", name, d.home.Artifact.Address)
		}
	}
}
