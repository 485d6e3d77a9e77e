package guardian_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/guardian"
	"bkp/internal/lab/sandbox"
	"bkp/internal/records/journal"
	"bkp/internal/secret"
	"bkp/providers"
)

// TestMain is the child, when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == guardian.Command {
		os.Exit(guardian.Main(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

const id = providers.BackupID("prod-20261122T214431Z")

// scene is an instance that is locked, with its backup task running, and a
// guardian who watches.
type scene struct {
	server   *sandbox.Server
	guardian *guardian.Guardian
	client   *bitbucket.Client
	watch    guardian.Watch
	// refuse lets that many requests of anybody fail.
	refuse atomic.Int64
	// unlocking, if set, is called before the instance sees an unlock.
	unlocking atomic.Pointer[func()]
}

func newScene(t *testing.T, within time.Duration) *scene {
	t.Helper()
	return newSceneWith(t, within, "")
}

// newSceneWith has a folder in which the guardian records that it goes on.
func newSceneWith(t *testing.T, within time.Duration, waits string, undo ...providers.UndoCommand) *scene {
	t.Helper()
	s := &scene{server: sandbox.NewServer(sandbox.Options{})}
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.refuse.Add(-1) >= 0 {
			panic(http.ErrAbortHandler)
		}
		if f := s.unlocking.Load(); f != nil && r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/lock") {
			(*f)()
		}
		s.server.ServeHTTP(w, r)
	}))
	t.Cleanup(ts.Close)
	s.refuse.Store(-1 << 40)
	dir := t.TempDir()
	j, err := journal.Create(filepath.Join(dir, "journal"), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Sync(journal.Record{Type: journal.RunStarted, Instance: "prod", URL: ts.URL}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	s.watch = guardian.Watch{
		Instance: guardian.Instance{URL: ts.URL, Username: "admin", Password: secret.New("admin")},
		Run:      id, Journal: filepath.Join(dir, "journal"), Log: filepath.Join(dir, "log"), Waits: waits, Within: within, Undo: undo,
	}
	if s.client, err = bitbucket.New(bitbucket.Config{URL: ts.URL, Username: "admin", Password: secret.New("admin")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	if s.guardian, err = guardian.Start(t.Context(), s.watch); err != nil {
		t.Fatal(err)
	}
	// The child may still be writing its log when the instance is free.
	t.Cleanup(func() { _ = s.guardian.Released() })
	return s
}

// lock locks and starts the backup, and informs the guardian.
func (s *scene) lock(t *testing.T) {
	t.Helper()
	lease, err := s.guardian.Lock(t.Context())
	if err == nil {
		lease, err = s.client.Start(t.Context(), lease)
	}
	if err == nil {
		err = s.guardian.Hold(lease)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// patience is far more than a guardian takes on the busiest machine. How soon
// it acts is the matter of TestHours.
const patience = 2 * time.Minute

// freed waits until the instance is released.
func (s *scene) freed(t *testing.T) {
	t.Helper()
	for begun := time.Now(); !s.server.State().Idle(); {
		if time.Since(begun) > patience {
			log, _ := os.ReadFile(s.watch.Log)
			t.Fatalf("still locked after %s; the guardian says: %s", patience, log)
		}
	}
}

func TestGuardianReleasesWhenItsParentDies(t *testing.T) {
	s := newScene(t, time.Hour)
	s.lock(t)
	// A dead process has its pipes closed by the kernel, and sends nothing.
	if err := s.guardian.Abandon(); err != nil {
		t.Fatal(err)
	}
	s.freed(t)
	recorded := func() bool {
		b, _ := os.ReadFile(filepath.Join(s.watch.Journal, string(id)+".jsonl"))
		return strings.Contains(string(b), string(journal.Unlocked))
	}
	for begun := time.Now(); !recorded(); {
		if time.Since(begun) > patience {
			t.Fatal("the journal was not written")
		}
	}
}

func TestGuardianGoesOnUntilTheInstanceAnswers(t *testing.T) {
	s := newScene(t, time.Hour)
	s.lock(t)
	s.refuse.Store(3)
	if err := s.guardian.Abandon(); err != nil {
		t.Fatal(err)
	}
	s.freed(t)
}

func TestGuardianActsWhenItsParentHangs(t *testing.T) {
	s := newScene(t, 300*time.Millisecond)
	s.lock(t)
	s.freed(t)
	_ = s.guardian.Released()
}

// TestGuardianUndoesBeforeItReleases what strategies did under the lock; a
// command that fails or hangs does not keep the instance locked.
func TestGuardianUndoesBeforeItReleases(t *testing.T) {
	dir := t.TempDir()
	frozen, thawed := filepath.Join(dir, "frozen"), filepath.Join(dir, "thawed")
	if err := os.WriteFile(frozen, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSceneWith(t, time.Hour, "",
		providers.UndoCommand{Name: filepath.Join(dir, "missing")},
		providers.UndoCommand{Name: "sh", Args: []string{"-c", "mv \"$1\" \"$TO\"", "sh", frozen}, Env: []string{"TO=" + thawed}})
	s.lock(t)
	early := make(chan error, 1)
	unlocking := func() {
		_, err := os.Stat(thawed)
		early <- err
	}
	s.unlocking.Store(&unlocking)
	if err := s.guardian.Abandon(); err != nil {
		t.Fatal(err)
	}
	s.freed(t)
	if err := <-early; err != nil {
		t.Errorf("it unlocks before it undoes: %v", err)
	}
	log, _ := os.ReadFile(s.watch.Log)
	for _, want := range []string{"could not undo", "undone by"} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the log has no %q: %s", want, log)
		}
	}
}

func TestGuardianLeavesAParentAloneThatKeepsTime(t *testing.T) {
	s := newScene(t, time.Hour)
	s.lock(t)
	if err := s.guardian.Released(); err != nil {
		t.Errorf("it did not end well: %v", err)
	}
	if s.server.State().Idle() {
		t.Error("it released what was not its own")
	}
	if b, err := os.ReadFile(s.watch.Log); err == nil {
		t.Errorf("it did something: %s", b)
	}
	if err := s.guardian.Released(); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestTokenDoesNotDieWithTheParent: it is dead before the lock is answered.
func TestTokenDoesNotDieWithTheParent(t *testing.T) {
	s := newScene(t, time.Hour)
	s.server.ChangeCorners(func(c *sandbox.Corners) {
		c.Delays = map[sandbox.Call]sandbox.Duration{sandbox.CallLock: sandbox.Duration(2 * time.Second)}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.guardian.Lock(ctx); !errors.Is(err, bitbucket.ErrUnderWay) {
		t.Fatal(err)
	}
	if err := s.guardian.Abandon(); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); len(s.server.Locks()) == 0; {
		if time.Since(begun) > patience {
			t.Fatal("it was never locked")
		}
	}
	s.freed(t)
}

// TestLockFailsAsTheClientSays: the errors of the child are those of the client.
func TestLockFailsAsTheClientSays(t *testing.T) {
	t.Run("locked", func(t *testing.T) {
		s := newScene(t, time.Hour)
		s.server.LockAs(sandbox.Owner{Name: "eve"})
		if _, err := s.guardian.Lock(t.Context()); !errors.Is(err, bitbucket.ErrLocked) || !strings.Contains(err.Error(), "eve") {
			t.Error(err)
		}
	})
	t.Run("no reply", func(t *testing.T) {
		s := newScene(t, time.Hour)
		s.refuse.Store(2)
		if _, err := s.guardian.Lock(t.Context()); !errors.Is(err, bitbucket.ErrUnknown) || errors.Is(err, bitbucket.ErrLocked) {
			t.Error(err)
		}
	})
	t.Run("dead", func(t *testing.T) {
		s := newScene(t, time.Hour)
		if err := s.guardian.Released(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.guardian.Lock(t.Context()); err == nil || errors.Is(err, bitbucket.ErrUnknown) {
			t.Error(err)
		}
	})
}

// TestNothingSecretShows: neither arguments nor environment of the child have
// the password or a token.
func TestNothingSecretShows(t *testing.T) {
	t.Setenv("BITBUCKET_BACKUP_PASSWORD", "hunter2")
	s := newScene(t, time.Hour)
	s.lock(t)
	pids, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range pids {
		b, _ := os.ReadFile(file)
		for _, pid := range strings.Fields(string(b)) {
			for _, what := range []string{"cmdline", "environ"} {
				text, _ := os.ReadFile("/proc/" + pid + "/" + what)
				seen += len(text)
				if strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "admin") {
					t.Errorf("%s of the child: %q", what, text)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no child was found")
	}
	if err := s.guardian.Released(); err != nil {
		t.Error(err)
	}
}

func TestStartIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if g, err := guardian.Start(ctx, guardian.Watch{Instance: guardian.Instance{URL: "http://127.0.0.1:1", Username: "a", Password: secret.New("b")}}); err == nil {
		_ = g.Released() // it was quick
	}
}
