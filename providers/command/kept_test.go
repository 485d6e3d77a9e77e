//go:build unix

package command_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/providers"
	"bkp/providers/command"
)

// storage is a script whose snapshots are files in the folder STORE, with the note
// as their content. Each call is written to the file "called" there.
const storage = `set -eu
echo "$BKP_VERB $BKP_BACKUP ${BKP_REF_file-}" >>"$STORE/called"
case $BKP_VERB in
capture) : >"$STORE/$BKP_BACKUP"; echo '{"tree": "'"$STORE"'", "ref": {"file": "'"$STORE/$BKP_BACKUP"'"}}' ;;
keep) echo "$BKP_NOTE" >"$STORE/$BKP_BACKUP" ;;
discard | delete) rm -f "$STORE/$BKP_BACKUP" ;;
list)
	comma= && echo '{"backups": ['
	for f in "$STORE"/*Z; do
		test -s "$f" || continue
		echo "$comma"'{"backup": "'"${f##*/}"'", "ref": {"file": "'"$f"'"}, "note": "'"$(cat "$f")"'"}'
		comma=,
	done
	echo ']}'
	;;
esac`

// shelf is a storage with its keeper, as a new process opens it.
type shelf struct {
	dir  string
	part *command.Part
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s, dir := script(t, storage), t.TempDir()
	c := command.Commands{
		Environment: map[string]string{"STORE": dir}, Capture: line{s}.instant(), Discard: line{s}.tidy(),
		Keep: line{s}.quick(), List: line{s}.quick(),
	}
	tidy, release := line{s}.tidy(), line{s}.tidy()
	c.Delete, c.Release = &tidy, &release
	p, _ := open(t, c)
	return &shelf{dir, p}
}

func (s *shelf) keeper() *command.Keeper {
	return &command.Keeper{Part: command.NewPart(s.part.Commands, s.part.Env, s.part.Strategy, nil)}
}

// kept captures a backup and keeps it.
func (s *shelf) kept(t *testing.T, b providers.BackupID) providers.Manifest {
	t.Helper()
	k := s.keeper()
	a, err := k.CaptureInstant(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	m := providers.Manifest{
		Format: providers.ManifestFormat, ID: b, Instance: "prod", URL: "https://bitbucket.example.com", BitbucketVersion: "9.2.1", Created: b.Time(),
		Artifacts: []providers.Artifact{a, {Address: "home.other.x", Life: providers.Staged}},
	}
	a, err = k.Keep(t.Context(), m, a)
	if err != nil || a.Life != providers.Native {
		t.Fatalf("kept as %q: %v", a.Life, err)
	}
	return m
}

func (s *shelf) calls(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "called"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s *shelf) list(t *testing.T) ([]providers.Manifest, []providers.Finding) {
	t.Helper()
	list, findings, err := s.keeper().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list, findings
}

const next = providers.BackupID("prod-20261123T214431Z")

func TestKeptBackupsStay(t *testing.T) {
	s := newShelf(t)
	s.kept(t, id)
	s.kept(t, next)
	for range 2 {
		if err := s.keeper().DiscardAll(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(s.calls(t), "discard") {
		t.Error("discard was run for a backup that was kept")
	}
	list, findings := s.list(t)
	if len(list) != 2 || list[0].ID != next || len(list[1].Artifacts) != 2 || len(findings) > 0 {
		t.Errorf("listed %+v, %+v", list, findings)
	}
	if found, err := s.keeper().Verify(t.Context(), id); err != nil || len(found) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	for range 2 {
		if err := s.keeper().Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if list, _ := s.list(t); len(list) != 1 {
		t.Errorf("listed %+v", list)
	}
	if _, err := s.keeper().Verify(t.Context(), id); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("verified: %v", err)
	}
}

// TestReleaseEndsWhatReadingNeeded once, for each backup that was kept.
func TestReleaseEndsWhatReadingNeeded(t *testing.T) {
	s := newShelf(t)
	s.kept(t, id)
	for range 2 {
		if err := s.keeper().SweepKept(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(s.calls(t), "release "+string(id)+" "+s.dir); n != 1 {
		t.Errorf("released %d times:\n%s", n, s.calls(t))
	}
	if list, _ := s.list(t); len(list) != 1 {
		t.Errorf("listed %+v", list)
	}
}

// TestStorageAloneKnowsWhatWasKept when the state folder is lost, and does not take
// for a backup what was never complete.
func TestStorageAloneKnowsWhatWasKept(t *testing.T) {
	s := newShelf(t)
	s.kept(t, id)
	if _, err := s.keeper().CaptureInstant(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.part.Env.WorkDir); err != nil {
		t.Fatal(err)
	}
	list, _ := s.list(t)
	if len(list) != 1 || !list[0].Of("prod", "https://bitbucket.example.com") || list[0].BitbucketVersion != "9.2.1" {
		t.Fatalf("listed %+v", list)
	}
	a, ok := list[0].Artifact(s.part.Env.Address)
	if !ok || a.Life != providers.Native || a.Ref["file"] != filepath.Join(s.dir, string(id)) || command.Backup(a) != id {
		t.Errorf("the artifact is %+v", a)
	}
	s.part.Env.Instance.Name = "other"
	if list, _ := s.list(t); len(list) != 0 {
		t.Errorf("another instance has %+v", list)
	}
}

// TestVanishedSnapshotIsMissed by the list and by the plan of a restore.
func TestVanishedSnapshotIsMissed(t *testing.T) {
	s := newShelf(t)
	m := s.kept(t, id)
	if err := os.Remove(filepath.Join(s.dir, string(id))); err != nil {
		t.Fatal(err)
	}
	list, findings := s.list(t)
	if len(list) != 0 || len(findings) != 1 || findings[0].Summary != "snapshot is missing" {
		t.Errorf("listed %+v, %+v", list, findings)
	}
	a := m.Artifacts[0]
	a.Trees = nil
	k := s.keeper()
	k.Commands.Restore = &command.Long{Call: line{"true"}.call()}
	r, err := (&command.Back{Part: k.Part}).Check(t.Context(), a)
	if err != nil || !r.Failed() || r.Findings[0].Summary != "snapshot is missing" {
		t.Errorf("%+v, %v", r.Findings, err)
	}
}

func TestTreesAloneCannotBeKept(t *testing.T) {
	s := newShelf(t)
	k := s.keeper()
	a := providers.Artifact{Address: s.part.Env.Address, Life: providers.Staged, Trees: providers.OneTree(s.dir), Ref: map[string]string{"backup": string(id)}}
	if _, err := k.Keep(t.Context(), providers.Manifest{ID: id}, a); err == nil || !strings.Contains(err.Error(), "no ref to keep") {
		t.Errorf("got %v", err)
	}
}
