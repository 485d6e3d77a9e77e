package tar

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bkp/providers"
)

// TestTreesOfOneArtifactAreStoredAtTheirPlaces is a home on three volumes: each
// is a tree of its own, with what to leave out, and a restore finds one folder.
func TestTreesOfOneArtifactAreStoredAtTheirPlaces(t *testing.T) {
	shared, first, second := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, filepath.Join(shared, "shared", "config"), "config")
	write(t, filepath.Join(shared, "log", "today"), "log")
	write(t, filepath.Join(shared, "keep", "log", "today"), "log")
	write(t, filepath.Join(first, "refs"), "first")
	write(t, filepath.Join(second, "refs"), "second")
	a := open(t, filepath.Join(t.TempDir(), "archives"), nil)
	m := manifest(map[string]string{"home.zfs.shared": shared})
	m.Artifacts[0].Trees = []providers.Tree{
		{Place: "stores/1", Path: second},
		{Place: "home", Path: shared, LeaveOut: providers.Rules{"/log/"}},
		{Place: "stores/0", Path: first},
	}
	_, err := a.Store(t.Context(), m, nil)
	must(t, err)
	if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
		t.Fatalf("verify: %v %v", findings, err)
	}
	want := filepath.Join(t.TempDir(), "want")
	write(t, filepath.Join(want, "home", "shared", "config"), "config")
	write(t, filepath.Join(want, "home", "keep", "log", "today"), "log")
	write(t, filepath.Join(want, "stores", "0", "refs"), "first")
	write(t, filepath.Join(want, "stores", "1", "refs"), "second")
	got, err := a.Fetch(t.Context(), id, into(tempDir(t)))
	must(t, err)
	if diff := cmp.Diff(names(describe(t, want)), names(describe(t, got.Artifacts[0].Dir()))); diff != "" {
		t.Errorf("restored:\n%s", diff)
	}
}

// names drops what differs between folders that were made at other times.
func names(tree map[string]string) map[string]bool {
	out := map[string]bool{}
	for name := range tree {
		out[name] = true
	}
	return out
}

func TestTreesThatLieInEachOtherAreRefused(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "archives"), nil)
	for _, places := range [][]string{{"", "home"}, {"home", "home"}, {"home", "home/data"}, {"../out"}, {"/etc"}} {
		m := manifest(map[string]string{"home.zfs.shared": t.TempDir()})
		m.Artifacts[0].Trees = nil
		for _, p := range places {
			m.Artifacts[0].Trees = append(m.Artifacts[0].Trees, providers.Tree{Place: p, Path: t.TempDir()})
		}
		if _, err := a.Store(t.Context(), m, nil); err == nil {
			t.Errorf("places %q: stored", places)
		}
	}
}
