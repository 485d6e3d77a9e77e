//go:build unix

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bkp/internal/engine"
	"bkp/internal/engine/apply"
	"bkp/internal/engine/guardian"
	"bkp/internal/engine/planner"
	"bkp/internal/event"
	"bkp/internal/lab/sandbox"
	"bkp/internal/records/catalog"
	"bkp/lang"
	"bkp/providers"
)

// applyIn makes this program a bkp that backs up what the folder of this variable
// declares.
const applyIn = "BKP_TEST_APPLY_IN"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == guardian.Command {
		os.Exit(guardian.Main(os.Stdin, os.Stdout))
	}
	if dir := os.Getenv(applyIn); dir != "" {
		if err := backUpIn(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func backUpIn(dir string) error {
	config, diags := load(dir, plain())
	if diags != nil {
		return diags
	}
	return backUp(context.Background(), engineFor(config, nil))
}

func load(dir string, registry *providers.Registry) (*lang.Config, error) {
	config, diags := lang.Load(dir, lang.Options{Registry: registry})
	if diags.HasErrors() {
		return nil, diags
	}
	return config, nil
}

// front collects what the engine says.
type front struct{ said []string }

func (f *front) Sink(bool) (event.Sink, func()) { return event.Discard{}, func() {} }
func (f *front) Note(message string)            { f.said = append(f.said, message) }
func (f *front) Warn(message, remedy string)    { f.said = append(f.said, message+"\n"+remedy) }
func (f *front) Checked(int, int)               {}
func (f *front) Found(list []planner.Finding) {
	for i := range list {
		f.said = append(f.said, list[i].Address+": "+list[i].Error())
	}
}

func engineFor(config *lang.Config, f *front) *engine.Engine {
	if f == nil {
		f = &front{}
	}
	return &engine.Engine{Config: config, Version: "test", Front: f, Hurry: context.Background()}
}

func backUp(ctx context.Context, eng *engine.Engine) error {
	p, err := eng.Plan(ctx, nil, 4)
	if err != nil {
		return fmt.Errorf("%w: %q", err, eng.Front.(*front).said)
	}
	_, err = eng.BackUp(ctx, p, 4)
	return err
}

// stage is a folder with a home, a service and a configuration.
type stage struct {
	*engine.Engine

	server                 *sandbox.Server
	dir                    string
	home, storage, service string
	front                  *front
}

func newStage(t *testing.T, registry *providers.Registry) *stage {
	t.Helper()
	dir := t.TempDir()
	s := &stage{
		server: sandbox.NewServer(sandbox.Options{}), dir: dir, front: &front{},
		home: filepath.Join(dir, "home"), storage: filepath.Join(dir, "storage"), service: filepath.Join(dir, "service"),
	}
	ts := httptest.NewServer(s.server)
	t.Cleanup(ts.Close)
	for _, d := range []string{s.home, s.storage, s.service} {
		must(t, os.Mkdir(d, 0o700))
	}
	s.change(t, "first")
	must(t, os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), fmt.Appendf(nil, `
bkp { state_dir = "state" }
instance "prod" {
  url       = %q
  username  = "admin"
  password  = "admin"
  home      = home.example_snapshot.shared
  database  = database.example_remote.main
  archives  = [archive.snapshots.kept]
  retention = retention.few
}
home "example_snapshot" "shared" {
  path    = %q
  storage = %q
}
database "example_remote" "main" { service = %q }
archive "snapshots" "kept" {}
retention "few" { keep_last = 2 }
`, ts.URL, s.home, s.storage, s.service), 0o600))
	config, err := load(dir, registry)
	must(t, err)
	s.Engine = engineFor(config, s.front)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// change writes the state of an instant to the home and the database.
func (s *stage) change(t *testing.T, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(s.home, "state"), []byte(text), 0o600))
	must(t, os.WriteFile(filepath.Join(s.service, "live"), []byte(text), 0o600))
}

func (s *stage) flag(t *testing.T, dir, name string) {
	must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
}

func (s *stage) entries() []catalog.Entry {
	list, _ := s.Catalog().List()
	return list
}

// unlocked asks the other side.
func (s *stage) unlocked(t *testing.T) {
	t.Helper()
	if !s.server.State().Idle() {
		t.Errorf("the instance is left in state %+v", s.server.State())
	}
}

// snapshotsOf are the backups that a storage has something of.
func snapshotsOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	must(t, err)
	var out []string
	for _, f := range files {
		if id, _, _ := strings.Cut(f.Name(), "."); strings.HasPrefix(id, "prod-") && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// TestNativeSnapshotsGoTheWholeWay: the run that made them, and the next one,
// delete nothing that is kept; retention does; a lost state folder is read again
// from the storage; and the way back is proven.
func TestNativeSnapshotsGoTheWholeWay(t *testing.T) { bothWays(t, nativeSnapshots) }

func nativeSnapshots(t *testing.T, registry *providers.Registry) {
	s := newStage(t, registry)
	for _, text := range []string{"first", "second", "third"} {
		s.change(t, text)
		must(t, backUp(t.Context(), s.Engine))
		s.unlocked(t)
	}
	list := s.entries()
	if len(list) != 2 || list[0].Status != catalog.Complete || !slices.Equal(snapshotsOf(t, s.storage), snapshotsOf(t, s.service)) || len(snapshotsOf(t, s.storage)) != 2 {
		t.Fatalf("list %+v; storage %v, service %v", list, snapshotsOf(t, s.storage), snapshotsOf(t, s.service))
	}
	second := list[1].Manifest.ID

	must(t, os.RemoveAll(filepath.Join(s.dir, "state")))
	must(t, s.Refresh(t.Context(), false))
	if list = s.entries(); len(list) != 2 || list[1].Manifest.ID != second {
		t.Fatalf("after the refresh: %+v", list)
	}
	var faults []string
	fault := func(address string, f providers.Finding) { faults = append(faults, address+": "+f.Error()) }
	if _, err := s.Verify(t.Context(), second, true, event.Discard{}, fault); err != nil || len(faults) > 0 {
		t.Errorf("verify: %v, %q", err, faults)
	}
	d, err := s.Drill(t.Context(), engine.DrillRequest{ID: second, Scratch: t.TempDir()}, event.Discard{})
	if err != nil || len(d.Differences) > 0 || d.Database != catalog.DatabaseRestored {
		t.Errorf("drill: %+v, %v", d, err)
	}
	s.restores(t, second, "second")

	must(t, os.RemoveAll(filepath.Join(s.service, string(second))))
	if _, err := s.Verify(t.Context(), second, true, event.Discard{}, fault); err == nil {
		t.Error("a snapshot that vanished is not noticed")
	}
}

func (s *stage) restores(t *testing.T, id providers.BackupID, want string) {
	t.Helper()
	home, database := filepath.Join(t.TempDir(), "home"), filepath.Join(t.TempDir(), "live")
	p, err := s.PlanRestore(t.Context(), engine.RestoreRequest{ID: id, Home: home, Database: database}, event.Discard{})
	must(t, err)
	defer p.Close()
	must(t, s.Restore(t.Context(), p, event.Discard{}))
	for _, path := range []string{filepath.Join(home, "state"), database} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
		}
	}
}

func TestWhatTheServiceCannotFinishIsResumed(t *testing.T) { bothWays(t, unfinishedIsResumed) }

func unfinishedIsResumed(t *testing.T, registry *providers.Registry) {
	s := newStage(t, registry)
	s.flag(t, s.service, "down")
	if err := backUp(t.Context(), s.Engine); !errors.Is(err, apply.ErrAfterCapture) {
		t.Fatalf("got %v", err)
	}
	s.unlocked(t)
	e := s.entries()[0]
	if e.Status != catalog.Captured {
		t.Fatalf("it is %+v", e)
	}
	// The next run leaves it alone.
	must(t, os.Remove(filepath.Join(s.service, "down")))
	s.change(t, "later")
	must(t, backUp(t.Context(), s.Engine))
	must(t, s.Resume(t.Context(), e.Manifest.ID))
	s.restores(t, e.Manifest.ID, "first")
}

// TestAKilledRunLeavesWhatCanBeFinished: kill -9 while the snapshot is taken
// leaves nothing; while it is finished or kept, a backup that is resumed.
func TestAKilledRunLeavesWhatCanBeFinished(t *testing.T) {
	for verb, captured := range map[providers.Verb]bool{providers.Capture: false, providers.Finish: true, providers.Store: true} {
		t.Run(string(verb), func(t *testing.T) {
			s := newStage(t, plain())
			dir := s.storage
			if verb == providers.Finish {
				dir = s.service
			}
			s.flag(t, dir, "die at "+string(verb))
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), applyIn+"="+s.dir)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the run was not killed: %v\n%s", err, out)
			}
			lock, err := s.Lock(t.Context(), "test")
			must(t, err)
			defer func() { _ = lock.Unlock() }()
			if n, err := s.Recover(t.Context()); err != nil || n != 1 {
				t.Fatalf("recovered %d runs, %v", n, err)
			}
			s.unlocked(t)
			list := s.entries()
			if !captured {
				if len(list) > 0 || len(snapshotsOf(t, s.storage)) > 0 || len(snapshotsOf(t, s.service)) > 0 {
					t.Errorf("left: %+v, %v, %v", list, snapshotsOf(t, s.storage), snapshotsOf(t, s.service))
				}
				return
			}
			if len(list) != 1 || list[0].Status != catalog.Captured {
				t.Fatalf("the list has %+v", list)
			}
			must(t, s.Resume(t.Context(), list[0].Manifest.ID))
			s.restores(t, list[0].Manifest.ID, "first")
		})
	}
}
