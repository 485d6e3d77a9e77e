package restore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bkp/internal/event"
	"bkp/providers"
)

const id = providers.BackupID("prod-20261122T214431Z")

// place is a strategy that unpacks beside its target and has a file of its own.
type place struct {
	providers.BaseRestorer
	dir     string
	restore func() error
}

func (p place) Stage(b providers.BackupID) string {
	return filepath.Join(p.dir, providers.RestorePrefix+"home-"+string(b))
}

func (p place) password() string { return filepath.Join(p.dir, providers.RestorePrefix+"pgpass") }

func (p place) Leavings(providers.Artifact) []string { return []string{p.password()} }

func (p place) Restore(context.Context, providers.Artifact) error {
	return errors.Join(os.MkdirAll(p.dir, 0o700), os.WriteFile(p.password(), []byte("secret"), 0o600), p.restore())
}

func (p place) Fetch(_ context.Context, _ providers.BackupID, dir func(providers.Artifact) string) (providers.Manifest, error) {
	return providers.Manifest{}, os.WriteFile(filepath.Join(dir(providers.Artifact{Address: "home.x.y"}), "file"), nil, 0o600)
}

type archive struct {
	providers.Archiver
	place
}

func (a archive) Fetch(ctx context.Context, b providers.BackupID, dir func(providers.Artifact) string) (providers.Manifest, error) {
	return a.place.Fetch(ctx, b, dir)
}

func (a archive) Discard(context.Context, providers.BackupID) error { return nil }

func planOf(state string, p place) Plan {
	return Plan{
		ID: id, Archive: archive{place: p}, StateDir: state,
		Parts: []Part{{Artifact: providers.Artifact{Address: "home.x.y"}, Copy: &providers.Part{Files: 1}, Restorer: p}},
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// TestCleanRemovesWhatAKilledRestoreLeft takes the place of the next process
// while the restore is in the middle of its work, as if it had been killed there.
func TestCleanRemovesWhatAKilledRestoreLeft(t *testing.T) {
	state, above := t.TempDir(), t.TempDir()
	p := place{dir: filepath.Join(above, "srv", "standby")}
	p.restore = func() error {
		if got := names(t, p.dir); len(got) != 2 {
			t.Errorf("there should be a stage and a password: %q", got)
		}
		if b, err := Clean(state, nil); b != id || err != nil {
			t.Errorf("cleaned %q, %v", b, err)
		}
		if got := names(t, above); len(got) > 0 {
			t.Errorf("left behind: %q", got)
		}
		return errors.New("killed")
	}
	_ = Run(t.Context(), t.Context(), planOf(state, p), event.Discard{})
	if b, err := Clean(state, nil); b != "" || err != nil {
		t.Errorf("cleaned twice: %q, %v", b, err)
	}
	if got := names(t, state); len(got) > 0 {
		t.Errorf("left in the state folder: %q", got)
	}
}

// TestARestoreLeavesNoRecord: neither a good one nor one that fails, and what has
// its place stays.
func TestARestoreLeavesNoRecord(t *testing.T) {
	for _, failure := range []error{nil, errors.New("a failure")} {
		state, dir := t.TempDir(), filepath.Join(t.TempDir(), "new")
		p := place{dir: dir, restore: func() error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "home"), nil, 0o600), failure)
		}}
		if err := Run(t.Context(), t.Context(), planOf(state, p), event.Discard{}); !errors.Is(err, failure) {
			t.Error(err)
		}
		if got := names(t, dir); !slices.Equal(got, []string{"home"}) {
			t.Errorf("beside the target: %q", got)
		}
		if got := names(t, state); len(got) > 0 {
			t.Errorf("left in the state folder: %q", got)
		}
	}
}

// TestARestoreBeginsWithItsRecord: what cannot be recorded is not begun.
func TestARestoreBeginsWithItsRecord(t *testing.T) {
	state, dir := t.TempDir(), t.TempDir()
	if err := os.Mkdir(RecordPath(state), 0o700); err != nil {
		t.Fatal(err)
	}
	p := place{dir: dir, restore: func() error { t.Error("restored"); return nil }}
	if err := Run(t.Context(), t.Context(), planOf(state, p), event.Discard{}); err == nil {
		t.Error("it is said to be recorded")
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("made: %q", got)
	}
}

// TestCleanRemovesNothingElse gives it records that no restore writes. They name
// only what may be lost: the test must do no harm when it fails.
func TestCleanRemovesNothingElse(t *testing.T) {
	state, precious := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	mine := filepath.Join(t.TempDir(), providers.RestorePrefix+"x")
	for _, dir := range []string{precious, mine, filepath.Join(precious, "file")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{
		`{"backup":"x","paths":["` + precious + `"]}`, `{"backup":"x","paths":["` + mine + `","` + precious + `"]}`,
		`{"backup":"x","paths":[""]}`, `{"backup":"x","paths":[".bkp-restore-x"]}`, `{"backup":"x","paths":["` + mine + `/../../precious"]}`, `{`,
	} {
		if err := os.WriteFile(RecordPath(state), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, err := Clean(state, nil); err == nil {
			t.Errorf("%s: cleaned %q", text, b)
		}
		for _, dir := range []string{precious, mine} {
			if _, err := os.Stat(dir); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	}
	// A folder above is removed where it is empty, and nowhere else.
	if err := os.WriteFile(RecordPath(state), []byte(`{"backup":"x","paths":["`+mine+`"],"above":["`+precious+`"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Clean(state, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(mine); err == nil {
		t.Error("what it had made is still there")
	}
}

// TestWhatCouldNotBeRemovedStaysOnRecord: an earlier restore keeps nobody from
// this one, and is not forgotten over it.
func TestWhatCouldNotBeRemovedStaysOnRecord(t *testing.T) {
	state, dir := t.TempDir(), t.TempDir()
	p := planOf(state, place{dir: dir})
	earlier := filepath.Join(t.TempDir(), providers.RestorePrefix+"earlier")
	if err := os.Mkdir(earlier, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, before := range []string{`{"backup":"x","paths":["` + earlier + `"]}`, "{"} {
		if err := os.WriteFile(RecordPath(state), []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := p.remember(); err != nil {
			t.Errorf("after %s: %v", before, err)
		}
		if _, err := Clean(state, nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(earlier); err == nil {
		t.Error("what the earlier one left is forgotten")
	}
}
