package providertest

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"bkp/providers"
)

func recordsWhatItCaptured(t *testing.T, h Harness) {
	if _, ok := h.New(t).(providers.Recorder); !ok {
		t.Skip("records nothing")
	}
	if knowsNothing(t, h) {
		return
	}
	for range 2 { // the second believes what the first left
		s := h.New(t)
		prepare(t, s)
		h.Mutate(t)
		a, err := s.Capture(t.Context(), ID)
		if err != nil {
			t.Fatal(err)
		}
		a = finish(t, s, a)
		recorded(t, s, a)
		release(t, s)
		s = h.New(t)
		recorded(t, s, a)
		distrusted(t, s, a)
	}
}

// knowsNothing reports whether the record of a strategy is about its tree as a whole,
// and expects it to be intact then.
func knowsNothing(t *testing.T, h Harness) bool {
	t.Helper()
	s := h.New(t)
	defer release(t, s)
	prepare(t, s)
	a, err := s.Capture(t.Context(), ID)
	if err != nil {
		t.Fatal(err)
	}
	a = finish(t, s, a)
	r, err := s.(providers.Recorder).Record(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Intact(t.Context()); err != nil {
		t.Error(err)
	}
	_, known, err := r.Folder("")
	if err := errors.Join(err, r.Close()); err != nil {
		t.Error(err)
	}
	return !known
}

// recorded expects the record of s to be that of a's tree.
func recorded(t *testing.T, s providers.Strategy, a providers.Artifact) {
	t.Helper()
	r, err := s.(providers.Recorder).Record(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	HasRecord(t, a.Dir(), r)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// distrusted expects a folder that is not believed to be known no more.
func distrusted(t *testing.T, s providers.Strategy, a providers.Artifact) {
	t.Helper()
	const folder = "home"
	if err := s.(providers.Recorder).Distrust(t.Context(), a, []string{folder, "nowhere"}); err != nil {
		t.Fatal(err)
	}
	r, err := s.(providers.Recorder).Record(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, known, err := r.Folder(folder); known || err != nil {
		t.Errorf("the record still knows the folder: %v, %v", known, err)
	}
}

// HasRecord expects a record to list every entry below tree, and of none
// besides, with the digest of every file and of every symbolic link.
func HasRecord(t *testing.T, tree string, r interface {
	Folder(name string) ([]providers.Recorded, bool, error)
}) {
	t.Helper()
	err := filepath.WalkDir(tree, func(at string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(tree, at)
		if err != nil {
			return err
		}
		name := path.Clean("/" + filepath.ToSlash(rel))[1:]
		entries, known, err := r.Folder(name)
		if err != nil || !known {
			t.Errorf("folder %q is not known: %v", name, err)
			return err
		}
		hasFolder(t, at, entries)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func hasFolder(t *testing.T, at string, entries []providers.Recorded) {
	t.Helper()
	there, err := os.ReadDir(at)
	if err != nil {
		t.Fatal(err)
	}
	if len(there) != len(entries) {
		t.Errorf("%s holds %d entries, recorded are %v", at, len(there), entries)
	}
	for _, e := range entries {
		full := filepath.Join(at, e.Name)
		fi, err := os.Lstat(full)
		if err != nil || fi.Mode().Type() != e.Type {
			t.Errorf("%s is recorded as %v: %v", full, e.Type, err)
			continue
		}
		content, err := contentOf(full, fi.Mode())
		if errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		if err != nil || !e.Summed || e.Sum != providers.Sum(content) {
			t.Errorf("%s has another digest than recorded (%v): %v", full, e.Summed, err)
		}
	}
}

func contentOf(path string, m fs.FileMode) ([]byte, error) {
	switch {
	case m.IsRegular():
		return os.ReadFile(path)
	case m.Type() == fs.ModeSymlink:
		target, err := os.Readlink(path)
		return []byte(target), err
	}
	return nil, errors.ErrUnsupported
}
