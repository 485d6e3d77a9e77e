package rsync

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/internal/lab/loopfs"
	"bkp/providers"
	"bkp/providers/providertest"
)

// rewrite gives a file of the working copy other content, and its old time.
func rewrite(t *testing.T, file, content string) {
	t.Helper()
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(file, []byte(content), 0o600), os.Chtimes(file, before.ModTime(), before.ModTime())); err != nil {
		t.Fatal(err)
	}
}

// TestTheCopyIsWatchedFromTheFirstPassOn: something else changes the copy of a file
// that no pass writes any more, between the live pass and the lock, or of one that the pass
// under the lock wrote.
func TestTheCopyIsWatchedFromTheFirstPassOn(t *testing.T) {
	for name, c := range map[string]struct {
		live, after func(t *testing.T, copied string)
		found       string // "" for none
	}{
		"nothing": {},
		"changed between live pass and lock": {
			live:  func(t *testing.T, copied string) { rewrite(t, filepath.Join(copied, "m/a"), "BAD-content\n") },
			found: `"home/shared/data/repositories/m/a" has other content`,
		},
		"added between live pass and lock": {
			live: func(t *testing.T, copied string) {
				if err := os.WriteFile(filepath.Join(copied, "m/more"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			found: `"home/shared/data/repositories/m/more" was added`,
		},
		"removed between live pass and lock": {
			live: func(t *testing.T, copied string) {
				if err := os.Remove(filepath.Join(copied, "m/a")); err != nil {
					t.Fatal(err)
				}
			},
			found: `"home/shared/data/repositories/m/a" is gone`,
		},
		"mode alone": {
			live: func(t *testing.T, copied string) {
				if err := os.Chmod(filepath.Join(copied, "m/a"), 0o640); err != nil {
					t.Fatal(err)
				}
			},
		},
		"written under the lock, changed after it": {
			after: func(t *testing.T, copied string) { rewrite(t, filepath.Join(copied, "m/new"), "bad") },
			found: `"home/shared/data/repositories/m/new" changed after it was copied`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, source := tornHome(t, loopfs.Mount(t, "ext4"))
			s.tool = "rsync"
			if err := s.Prepare(t.Context(), providertest.ID); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			copied := filepath.Join(s.CopyOf(s.Parts()[0]), "shared", "data", "repositories")
			if c.live != nil {
				c.live(t, copied)
			}
			if err := os.WriteFile(filepath.Join(source, "m/new"), []byte("new"), 0o600); err != nil {
				t.Fatal(err)
			}
			a, err := s.Capture(t.Context(), providertest.ID)
			if err != nil || s.tracker.Change() == nil {
				t.Fatalf("tracked %v, %v", s.tracker.Change(), err)
			}
			if c.after != nil {
				for m, err := os.Stat(s.unsealed()); err == nil && time.Since(m.ModTime()) < tick; {
					continue // until the clock of the file system goes on
				}
				c.after(t, copied)
			}
			expectDamage(t, s, a, c.found)
		})
	}
}

// expectDamage wants the record of a to know of damage like this, or of none.
func expectDamage(t *testing.T, s *strategy, a providers.Artifact, found string) {
	t.Helper()
	for range 2 { // each archive has a record of its own
		r, err := s.Record(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		err = r.Intact(t.Context())
		_ = r.Close()
		if found == "" && err == nil {
			continue
		}
		var damage *providers.DamageError
		if found == "" || !errors.As(err, &damage) {
			t.Fatalf("found %v, want %q", err, found)
		}
		if !slices.Contains(damage.Found, found) {
			t.Errorf("found %q, want %q", damage.Found, found)
		}
	}
}

// TestAnUnknownCopyIsComparedByContent: without an index, such as after a power cut,
// size and time vouch for nothing.
func TestAnUnknownCopyIsComparedByContent(t *testing.T) {
	s, _ := tornHome(t, t.TempDir())
	s.tool = "rsync"
	run := func() providers.Artifact {
		t.Helper()
		if err := s.Prepare(t.Context(), providertest.ID); err != nil {
			t.Fatal(err)
		}
		a, err := s.Capture(t.Context(), providertest.ID)
		if err != nil {
			t.Fatal(err)
		}
		expectDamage(t, s, a, "")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := run()
	rewrite(t, filepath.Join(a.Dir(), "home/shared/data/repositories/m/a"), "BAD-content\n")
	if err := os.Remove(s.Index(s.Parts()[0])); err != nil {
		t.Fatal(err)
	}
	run()
	sameTree(t, s)
}

// TestWhatAPowerCutLeavesOfAnIndexIsRemoved, before anything else is done.
func TestWhatAPowerCutLeavesOfAnIndexIsRemoved(t *testing.T) {
	s, _ := tornHome(t, t.TempDir())
	left := s.Index(s.Parts()[0]) + ".new"
	for name, clean := range map[string]func() error{
		"discard": func() error { return s.Discard(t.Context(), providertest.ID) },
		"sweep":   func() error { return s.Sweep(t.Context()) },
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(left), 0o700), os.WriteFile(left, []byte("half"), 0o600), clean(), clean()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s leaves it: %v", name, err)
		}
	}
}

// TestARunThatEndedWithoutASealHasNoRecord, and the next trusts nothing that it wrote.
func TestARunThatEndedWithoutASealHasNoRecord(t *testing.T) {
	s, _ := tornHome(t, t.TempDir())
	s.tool = "rsync"
	if err := s.Prepare(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	a, err := s.Capture(t.Context(), providertest.ID)
	if err != nil {
		t.Fatal(err)
	}
	next := newStrategy(Config{Config: s.Config}, s.Env)
	if _, err := next.Record(t.Context(), a); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestReportedNames(t *testing.T) {
	for line, want := range map[string]string{
		`>f..t...... a/f`:                 "a/f",
		`cd+++++++++ a/`:                  "a/",
		`*deleting   d/e/`:                "d/e/",
		`hf+++++++++  x`:                  " x",
		`>f+++++++++ n\#012l\#134#134\#9`: "n\nl\\#134\\#9",
		`rsync: warning`:                  "",
	} {
		if got, ok := reported(line); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", line, got, ok)
		}
	}
	w := newWritten(nil)
	out := &report{of: w}
	for _, piece := range strings.SplitAfter(">f..t...... a/f\n*deleting   b\n", "t") {
		if _, err := out.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if by := w.by(); !by("a/f") || !by("b") || by("c") {
		t.Errorf("collected %v", w.names)
	}
}
