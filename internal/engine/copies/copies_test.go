package copies

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/engine/restore"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/providers"
)

const id = providers.BackupID("prod-20261122T214431Z")

// shelf is an archive of one backup, which its tests disturb.
type shelf struct {
	providers.Archiver
	has, reserved, damaged bool
	store                  func() error
	taken                  error
}

func (s *shelf) Destination() providers.Destination { return providers.Destination{Name: "/shelf"} }

func (s *shelf) List(context.Context) ([]providers.Manifest, []providers.Finding, error) {
	if !s.has {
		return nil, nil, nil
	}
	return []providers.Manifest{{ID: id}}, nil, nil
}

func (s *shelf) Reserve(context.Context, providers.BackupID) error {
	if s.taken == nil {
		s.reserved = true
	}
	return s.taken
}

func (s *shelf) Fetch(_ context.Context, _ providers.BackupID, dir func(providers.Artifact) string) (providers.Manifest, error) {
	return providers.Manifest{}, os.WriteFile(filepath.Join(dir(providers.Artifact{Address: "home.x.y"}), "file"), nil, 0o600)
}

func (s *shelf) Store(_ context.Context, m providers.Manifest, _ providers.Records) (providers.Stored, error) {
	if _, err := os.Stat(filepath.Join(m.Artifacts[0].Dir(), "file")); err != nil {
		return providers.Stored{}, err
	}
	if s.store != nil {
		if err := s.store(); err != nil {
			return providers.Stored{}, err
		}
	}
	s.has = true
	return providers.Stored{Archive: "archive.to"}, nil
}

func (s *shelf) Verify(context.Context, providers.BackupID) ([]providers.Finding, error) {
	if s.damaged {
		return []providers.Finding{*problem.New("damaged", "", "")}, nil
	}
	return nil, nil
}

func (s *shelf) Delete(context.Context, providers.BackupID) error {
	s.has, s.damaged = false, false
	return nil
}

func (s *shelf) Discard(context.Context, providers.BackupID) error {
	s.reserved = false
	return nil
}

func planTo(t *testing.T, to *shelf) Plan {
	t.Helper()
	stored := providers.Stored{Archive: "archive.from", Parts: map[string]providers.Part{"home.x.y": {Files: 1}}}
	return Plan{
		Manifest: providers.Manifest{ID: id, Artifacts: []providers.Artifact{{Address: "home.x.y", Life: providers.Staged}}, Stored: []providers.Stored{stored}},
		From:     restore.Source{Address: "archive.from", Archiver: &shelf{}}, To: restore.Source{Address: "archive.to", Archiver: to},
		Parent: t.TempDir(), StateDir: t.TempDir(),
	}
}

// nothingLeft fails if a scratch folder or a record is left.
func nothingLeft(t *testing.T, p Plan, to *shelf) {
	t.Helper()
	for _, dir := range []string{p.Parent, p.StateDir} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", dir, left, err)
		}
	}
	if to.reserved {
		t.Error("the id is still reserved")
	}
}

func TestACopyLeavesNothingBehind(t *testing.T) {
	failure := errors.New("a failure")
	for name, to := range map[string]*shelf{
		"good": {}, "store fails": {store: func() error { return failure }}, "panics": {store: func() error { panic("store") }},
		"is damaged": {damaged: true}, "was there": {has: true}, "was there, damaged": {has: true, damaged: true},
	} {
		t.Run(name, func(t *testing.T) {
			isBad := to.store != nil || to.damaged && !to.has
			p := planTo(t, to)
			_, err := Run(t.Context(), t.Context(), p, event.Discard{})
			if (err != nil) != isBad || to.has == isBad || to.damaged {
				t.Errorf("%v; the archive has it: %v", err, to.has)
			}
			nothingLeft(t, p, to)
		})
	}
}

// TestCleanRemovesWhatAKilledCopyLeft takes the place of the next process while the
// archive stores, as if the copy had been killed there.
func TestCleanRemovesWhatAKilledCopyLeft(t *testing.T) {
	to := &shelf{}
	p := planTo(t, to)
	discard := func(ctx context.Context, archive string, b providers.BackupID) error {
		if archive != "archive.to" {
			t.Errorf("discards in %s", archive)
		}
		return to.Discard(ctx, b)
	}
	to.store = func() error {
		if b, err := Clean(t.Context(), p.StateDir, discard); b != id || err != nil {
			t.Errorf("cleaned %q, %v", b, err)
		}
		nothingLeft(t, p, to)
		return errors.New("killed")
	}
	_, _ = Run(t.Context(), t.Context(), p, event.Discard{})
	if b, err := Clean(t.Context(), p.StateDir, discard); b != "" || err != nil {
		t.Errorf("cleaned twice: %q, %v", b, err)
	}
}

// TestWhatSomebodyElseMakesStays: an id that is taken is not given up.
func TestWhatSomebodyElseMakesStays(t *testing.T) {
	to := &shelf{taken: providers.ErrTaken}
	p := planTo(t, to)
	to.reserved = true
	if _, err := Run(t.Context(), t.Context(), p, event.Discard{}); !errors.Is(err, providers.ErrTaken) {
		t.Error(err)
	}
	if !to.reserved {
		t.Error("what somebody else had reserved was given up")
	}
	to.reserved = false
	nothingLeft(t, p, to)
}

// TestCleanRemovesNothingElse gives it a record that no copy writes.
func TestCleanRemovesNothingElse(t *testing.T) {
	state, precious := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	if err := os.Mkdir(precious, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordPath(state), []byte(`{"backup":"x","path":"`+precious+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Clean(t.Context(), state, nil); err == nil {
		t.Error("it is cleaned")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}
