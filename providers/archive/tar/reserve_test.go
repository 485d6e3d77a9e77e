package tar

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"bkp/providers"
)

// neighbour is the same destination, seen from another state folder.
func neighbour(t *testing.T, a *archive) *archive {
	t.Helper()
	b := *a
	b.env.WorkDir = filepath.Join(t.TempDir(), "work")
	return &b
}

func TestOneOfManyGetsAnID(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "archives"), nil)
	const many = 20
	var wg sync.WaitGroup
	got := make([]error, many)
	for i := range many {
		b := neighbour(t, a)
		wg.Go(func() { got[i] = b.Reserve(t.Context(), id) })
	}
	wg.Wait()
	won := 0
	for _, err := range got {
		if err == nil {
			won++
		} else if !errors.Is(err, providers.ErrTaken) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d have the id", won, many)
	}
}

// TestABackupOfSomebodyElseIsNotReplaced: two state folders made backups of the
// same id, and have the same destination.
func TestABackupOfSomebodyElseIsNotReplaced(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "file"), "first")
	a := open(t, t.TempDir(), nil)
	first := store(t, a, map[string]string{"home.mirror.shared": tree})
	b := neighbour(t, a)
	if err := b.Reserve(t.Context(), id); !errors.Is(err, providers.ErrTaken) {
		t.Errorf("reserved the id of a backup that is there: %v", err)
	}
	m := manifest(map[string]string{"home.mirror.shared": tree})
	m.Artifacts[0].PointInTime = m.Artifacts[0].PointInTime.Add(1)
	if _, err := b.Store(t.Context(), m, nil); !errors.Is(err, providers.ErrTaken) {
		t.Errorf("replaced the backup: %v", err)
	}
	list, _, err := a.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Stored[0].Parts[artifact].Digest() != first.Stored[0].Parts[artifact].Digest() {
		t.Errorf("list: %+v %v", list, err)
	}
	if there := files(t, a); len(there) != 2 {
		t.Errorf("destination holds %v", slices.Collect(maps.Keys(there)))
	}
}

// TestDiscardLeavesTheWorkOfSomebodyElse: the other one is in the middle of it.
func TestDiscardLeavesTheWorkOfSomebodyElse(t *testing.T) {
	a := open(t, t.TempDir(), nil)
	must(t, a.Reserve(t.Context(), id), a.Reserve(t.Context(), id))
	half := filepath.Join(a.cfg.Destination, string(id), ".home.mirror.shared.tar.zst.partial")
	write(t, half, "half")
	b := neighbour(t, a)
	if _, err := b.Store(t.Context(), manifest(nil), nil); !errors.Is(err, providers.ErrTaken) {
		t.Errorf("stored under an id that is reserved: %v", err)
	}
	must(t, b.Discard(t.Context(), id))
	if _, err := os.Lstat(half); err != nil {
		t.Error(err)
	}
	must(t, a.Discard(t.Context(), id))
	if entries, _ := os.ReadDir(a.cfg.Destination); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
	must(t, b.Reserve(t.Context(), id))
}
