//go:build unix

package tar

import (
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPartsAreStoredAtOnce: the reading of each part waits for that of the other.
func TestPartsAreStoredAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8)) // two cores a part
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	write(t, filepath.Join(one, "a"), "first")
	write(t, filepath.Join(two, "b"), "second")
	a := open(t, t.TempDir(), nil)
	a.env.Parallelism = 4
	begun := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{})}
	a.fault = func(name string) error {
		close(begun[name])
		other := begun[map[string]string{"a": "b", "b": "a"}[name]]
		select {
		case <-other:
			return nil
		case <-time.After(time.Minute):
			return errors.New("the other part is not read meanwhile")
		}
	}
	trees := map[string]string{artifact: one, "home.mirror.other": two}
	store(t, a, trees)
	a.fault = nil
	if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
		t.Errorf("verify: %v %v", findings, err)
	}
	got, err := a.Fetch(t.Context(), id, into(tempDir(t)))
	must(t, err)
	for _, art := range got.Artifacts {
		if diff := cmp.Diff(describe(t, trees[art.Address]), describe(t, art.Dir())); diff != "" {
			t.Errorf("%s changed:\n%s", art.Address, diff)
		}
	}
}

// TestOnePartThatFailsEndsTheOthers, and nothing of any is left.
func TestOnePartThatFailsEndsTheOthers(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	write(t, filepath.Join(one, "a"), "first")
	for _, name := range []string{"b", "c", "d"} {
		write(t, filepath.Join(two, name), "second")
	}
	a := open(t, t.TempDir(), nil)
	a.env.Parallelism = 4
	boom := errors.New("boom")
	a.fault = failing("a", boom)
	if _, err := a.Store(t.Context(), manifest(map[string]string{artifact: one, "home.mirror.other": two}), nil); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if there := files(t, a); len(there) > 0 {
		t.Errorf("left: %v", there)
	}
}
