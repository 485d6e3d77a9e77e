package recovery_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/recovery"
	"bkp/internal/lab/sandbox"
	"bkp/internal/problem"
	"bkp/internal/records/journal"
	"bkp/internal/secret"
	"bkp/providers"
)

const id = providers.BackupID("prod-20261122T214431Z")

func instance(t *testing.T) (*sandbox.Server, *bitbucket.Client) {
	t.Helper()
	s := sandbox.NewServer(sandbox.Options{})
	ts := httptest.NewServer(s)
	t.Cleanup(ts.Close)
	c, err := bitbucket.New(bitbucket.Config{URL: ts.URL, Username: "admin", Password: secret.New("admin")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c
}

// left writes the journal of a run that died, and reads it back.
func left(t *testing.T, dir string, records ...journal.Record) journal.Run {
	t.Helper()
	j, err := journal.Create(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := j.Sync(r); err != nil {
			t.Fatal(err)
		}
	}
	_ = j.Close()
	r, err := journal.Load(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestUnlockedButNotRecorded: a record that cannot be written does not make the
// instance locked.
func TestUnlockedButNotRecorded(t *testing.T) {
	server, client := instance(t)
	lease, err := client.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := left(t, dir, journal.Record{Type: journal.LockIntent}, journal.Record{Type: journal.Locked, UnlockToken: lease.UnlockToken.Reveal()})
	if err := os.Remove(filepath.Join(dir, string(id)+".jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := recovery.Release(t.Context(), dir, r, client); !errors.Is(err, recovery.ErrUnrecorded) || !server.State().Idle() {
		t.Errorf("%v, in state %+v", err, server.State())
	}
	server.Restart()
	if _, err := client.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.UnlockToken = "" // nobody has it
	if err := recovery.Release(t.Context(), dir, r, client); err == nil || errors.Is(err, recovery.ErrUnrecorded) {
		t.Errorf("locked, and %v", err)
	}
}

func TestReleaseEndsTaskAndLock(t *testing.T) {
	for name, started := range map[string]bool{"killed after the lock": false, "killed after the start": true} {
		t.Run(name, func(t *testing.T) {
			server, client := instance(t)
			lease, err := client.Lock(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			records := []journal.Record{{Type: journal.LockIntent}, {Type: journal.Locked, UnlockToken: lease.UnlockToken.Reveal()}}
			if started {
				if lease, err = client.Start(t.Context(), lease); err != nil {
					t.Fatal(err)
				}
				records = append(records, journal.Record{Type: journal.TaskStarted, CancelToken: lease.CancelToken.Reveal()})
			}
			dir := t.TempDir()
			r := left(t, dir, records...)
			if err := recovery.Release(t.Context(), dir, r, client); err != nil {
				t.Fatal(err)
			}
			if !server.State().Idle() {
				t.Errorf("left in state %+v", server.State())
			}
			if r, _ = journal.Load(dir, id); r.MayBeLocked {
				t.Error("the journal still says that it may be locked")
			}
			if err := recovery.Release(t.Context(), dir, r, client); err != nil {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

func TestSomebodyElsesLockIsLeftAlone(t *testing.T) {
	server, client := instance(t)
	server.LockAs(sandbox.Owner{Name: "alice"})
	dir := t.TempDir()
	r := left(t, dir, journal.Record{Type: journal.LockIntent}, journal.Record{Type: journal.Locked, UnlockToken: "an old one"})
	if err := recovery.Release(t.Context(), dir, r, client); err != nil {
		t.Fatal(err)
	}
	if server.State().Idle() {
		t.Error("alice's lock was opened")
	}
}

func TestALockWithoutKnownTokenIsReported(t *testing.T) {
	server, client := instance(t)
	dir := t.TempDir()
	r := left(t, dir, journal.Record{Type: journal.LockIntent})
	server.LockAs(sandbox.Owner{Name: "admin"})
	if err := recovery.Release(t.Context(), dir, r, client); err == nil || problem.Remedy(err) == "" {
		t.Errorf("got %v", err)
	}
	server.Restart()
	if err := recovery.Release(t.Context(), dir, r, client); err != nil {
		t.Error(err)
	}
}

type discarder struct{ called int }

func (d *discarder) Discard(context.Context, providers.BackupID) error { d.called++; return nil }

func TestDiscardReachesEverythingThatWasStarted(t *testing.T) {
	dir := t.TempDir()
	r := left(t, dir, journal.Record{Type: journal.RunStarted}, journal.Record{Type: journal.StepStarted, Address: "home.a.b"}, journal.Record{Type: journal.StepStarted, Address: "gone.x.y"})
	home := &discarder{}
	find := func(address string) recovery.Discarder {
		if address == "home.a.b" {
			return home
		}
		return nil
	}
	if err := recovery.Discard(t.Context(), dir, r, find); err == nil {
		t.Error("a component that is gone was passed over in silence")
	}
	if home.called != 1 {
		t.Errorf("discarded %d times", home.called)
	}
	r, _ = journal.Load(dir, id)
	if r.Ended || len(r.Components) != 1 {
		t.Errorf("%+v", r)
	}
	if err := recovery.Discard(t.Context(), dir, r, func(string) recovery.Discarder { return home }); err != nil {
		t.Error(err)
	}
	if r, _ = journal.Load(dir, id); !r.Ended {
		t.Error("the run was not ended")
	}
}
