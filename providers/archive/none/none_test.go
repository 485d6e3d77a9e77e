package none

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/problem"
	"bkp/providers"
)

const (
	id    = providers.BackupID("prod-20261122T214431Z")
	later = providers.BackupID("prod-20261123T000000Z")
)

func TestArchive(t *testing.T) {
	d := Definition()
	a, err := providers.Archives.Open(d, d.NewConfig(), providers.Env{Address: "archive.none.x", WorkDir: filepath.Join(t.TempDir(), "work")})
	if err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	if r, err := a.Check(t.Context(), providers.Estimate{}); err != nil || len(r.Findings) != 1 || r.Failed() {
		t.Errorf("check: %v %v", r.Findings, err)
	}
	for _, b := range []providers.BackupID{id, later} {
		m := providers.Manifest{Format: providers.ManifestFormat, ID: b, Artifacts: []providers.Artifact{{Address: "home.mirror.x", Life: providers.Staged, Trees: providers.OneTree(tree)}, {Address: "database.embedded.x"}}}
		if stored, err := a.Store(t.Context(), m, nil); err != nil || stored.Keeps() || stored.Location != tree {
			t.Fatalf("store: %+v %v", stored, err)
		}
	}
	// The second backup has overwritten the first.
	if list, findings, err := a.List(t.Context()); err != nil || len(findings) > 0 || len(list) != 1 || list[0].ID != later {
		t.Errorf("list: %v %v %v", list, findings, err)
	}
	if _, err := a.Verify(t.Context(), id); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("verify of the first: %v", err)
	}
	if findings, err := a.Verify(t.Context(), later); err != nil || len(findings) != 1 || findings[0].Severity != problem.Warning {
		t.Errorf("verify: %v %v", findings, err)
	}
	elsewhere := func(providers.Artifact) string { return filepath.Join(t.TempDir(), "elsewhere") }
	if m, err := a.Fetch(t.Context(), later, elsewhere); err != nil || m.Artifacts[0].Dir() != tree {
		t.Errorf("fetch: %+v %v", m.Artifacts, err)
	}

	if err := os.Remove(tree); err != nil {
		t.Fatal(err)
	}
	if list, findings, err := a.List(t.Context()); err != nil || len(findings) != 1 || len(list) != 0 {
		t.Errorf("list without the tree: %v %v %v", list, findings, err)
	}
	if findings, err := a.Verify(t.Context(), later); err != nil || len(findings) != 1 || findings[0].Severity != problem.Error {
		t.Errorf("verify without the tree: %v %v", findings, err)
	}
	if _, err := a.Fetch(t.Context(), later, elsewhere); err == nil || problem.Remedy(err) == "" {
		t.Errorf("fetch without the tree: %v", err)
	}
	for range 2 {
		if err := errors.Join(a.Discard(t.Context(), later), a.Delete(t.Context(), later)); err != nil {
			t.Error(err)
		}
	}
	if list, findings, err := a.List(t.Context()); err != nil || len(findings)+len(list) != 0 {
		t.Errorf("list after delete: %v %v %v", list, findings, err)
	}
}
