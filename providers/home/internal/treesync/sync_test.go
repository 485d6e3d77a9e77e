//go:build unix

package treesync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"bkp/internal/filemeta"
	"bkp/providers/home/internal/treesync"
	"bkp/providers/providertest"
)

// rig is a source and its copy.
type rig struct {
	src, dst, index string
	// alone: nobody else works on the file system of src.
	alone bool
}

func newRig(t *testing.T) rig {
	t.Helper()
	dir := t.TempDir()
	r := rig{src: filepath.Join(dir, "src"), dst: filepath.Join(dir, "copy"), index: filepath.Join(dir, "index")}
	if err := os.Mkdir(r.src, 0o755); err != nil {
		t.Fatal(err)
	}
	return r
}

// options have a clock that is ahead, so that nothing counts as too young to
// be believed: the index is put to the test, not the second look.
func (r rig) options() treesync.Options {
	return treesync.Options{
		Source: r.src, Copy: r.dst, Index: r.index, Workers: 4,
		Now: func() time.Time { return time.Now().Add(time.Hour) },
	}
}

// tick waits until the file system's clock has moved on.
func (r rig) tick(t *testing.T) {
	t.Helper()
	path := filepath.Join(filepath.Dir(r.src), "tick")
	var before time.Time
	for {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := filemeta.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if !before.IsZero() && m.ChangeTime.After(before) {
			return
		}
		before = m.ChangeTime
	}
}

func (r rig) sync(t *testing.T, o treesync.Options) treesync.Result {
	t.Helper()
	r.tick(t)
	res, err := treesync.Sync(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.tick(t)
	return res
}

func (r rig) same(t *testing.T) {
	t.Helper()
	providertest.SameTrees(t, providertest.Tree(t, r.src), providertest.Tree(t, r.dst), nil)
}

// recorded expects the index to list all that the copy holds.
func (r rig) recorded(t *testing.T) {
	t.Helper()
	record, err := treesync.OpenRecord(r.index, r.src)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = record.Close() }()
	providertest.HasRecord(t, r.dst, record)
}

func TestTheCopyIsEqualAfterAnySequenceOfChanges(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			c := providertest.NewChurn(t, r.src, seed)
			for pass := range 8 {
				o := r.options()
				o.Strict, o.Durable = pass%2 == 1, pass%4 == 0
				r.sync(t, o)
				r.same(t)
				r.recorded(t)
				if t.Failed() {
					t.Fatalf("pass %d of seed %d", pass, seed)
				}
				c.Do(t, 15)
			}
		})
	}
}

var errInjected = errors.New("injected")

// TestTheNextPassIsRightWhateverFailed lets the Nth operation fail, for every
// N, and changes the source before it tries again. A crash is a failure after
// which the index is gone.
func TestTheNextPassIsRightWhateverFailed(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash=%v", crash), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			c := providertest.NewChurn(t, r.src, 77)
			r.sync(t, r.options())
			for n := int64(1); ; n += 7 {
				c.Do(t, 6)
				var count atomic.Int64
				o := r.options()
				o.Workers = 2
				o.Fault = func(op, path string) error {
					if _, err := os.Lstat(r.index); err == nil {
						t.Error("a crash now would leave an index that is not true")
					}
					if count.Add(1) == n {
						return fmt.Errorf("%w: %s %q", errInjected, op, path)
					}
					return nil
				}
				_, err := treesync.Sync(t.Context(), o)
				r.tick(t)
				if err == nil && count.Load() < n {
					break
				}
				if !errors.Is(err, errInjected) {
					t.Fatalf("operation %d failed, and the pass says %v", n, err)
				}
				if crash {
					_ = os.Remove(r.index)
				}
				c.Do(t, 4)
				r.sync(t, r.options())
				r.same(t)
				r.recorded(t)
				if t.Failed() {
					t.Fatalf("after %v", err)
				}
			}
		})
	}
}

func TestCancelledPassEndsAndTheNextIsRight(t *testing.T) {
	r := newRig(t)
	providertest.NewChurn(t, r.src, 5)
	ctx, cancel := context.WithCancel(t.Context())
	o := r.options()
	o.Fault = func(op, _ string) error {
		if op == "create" {
			cancel()
		}
		return nil
	}
	if _, err := treesync.Sync(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	r.sync(t, r.options())
	r.same(t)
}
