package providertest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

func findsDamage(t *testing.T, s Shelf) {
	if s.Objects == nil {
		t.Skip("has no bytes of its own")
	}
	a := s.New(t, "one")
	s.store(t, a, ID)
	for _, o := range s.Objects(t, ID) {
		if info, err := os.Stat(o); err == nil && info.IsDir() {
			s.findsDamageBelow(t, a, o)
			continue
		}
		whole, err := os.ReadFile(o)
		if err != nil {
			t.Fatal(err)
		}
		flipped := slices.Clone(whole)
		flipped[len(flipped)/2] ^= 1
		for how, content := range map[string][]byte{"flipped": flipped, "cut": whole[:len(whole)/2], "longer": append(slices.Clone(whole), 0), "empty": {}} {
			if err := os.WriteFile(o, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s.bad(t, a, filepath.Base(o)+" "+how)
		}
		if err := os.Remove(o); err != nil {
			t.Fatal(err)
		}
		s.bad(t, a, filepath.Base(o)+" removed")
		if err := os.WriteFile(o, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		good(t, a, ID)
	}
}

// findsDamageBelow damages each entry of an object that is a folder, one after the
// other, in a copy of what it was.
func (s Shelf) findsDamageBelow(t *testing.T, a providers.Archiver, object string) {
	t.Helper()
	before := filepath.Join(t.TempDir(), "before")
	again := func() {
		t.Helper()
		if err := errors.Join(os.RemoveAll(object), copyAll(before, object)); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyAll(object, before); err != nil {
		t.Fatal(err)
	}
	for rel := range Tree(t, object) {
		path := filepath.Join(object, rel)
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		for how, damage := range damages(path, info) {
			if err := damage(); err != nil {
				t.Fatalf("%s %s: %v", path, how, err)
			}
			s.bad(t, a, rel+" "+how)
			again()
		}
	}
	hide(t, object)
	s.bad(t, a, filepath.Base(object)+" removed")
	show(t, object)
	good(t, a, ID)
}

// damages are those of an entry, each to be made without the others.
func damages(path string, info os.FileInfo) map[string]func() error {
	out := map[string]func() error{}
	isTree := info.IsDir()
	if isTree {
		out["has one more"] = func() error { return os.WriteFile(filepath.Join(path, "one more"), nil, 0o600) }
	} else {
		out["removed"] = func() error { return os.Remove(path) }
	}
	if info.Mode()&os.ModeSymlink == 0 {
		out["has another mode"] = func() error { return os.Chmod(path, info.Mode()^0o100) }
		out["has another time"] = func() error { return os.Chtimes(path, time.Time{}, info.ModTime().Add(1)) }
	}
	if info.Mode().IsRegular() && info.Size() > 0 {
		out["flipped"] = func() error { return flip(path, info) }
		out["cut"] = func() error {
			return errors.Join(os.Truncate(path, info.Size()-1), os.Chtimes(path, time.Time{}, info.ModTime()))
		}
	}
	return out
}

// flip changes one bit, and no time.
func flip(path string, info os.FileInfo) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, info.Size()/2)
	b[0] ^= 1
	_, werr := f.WriteAt(b, info.Size()/2)
	return errors.Join(err, werr, f.Close(), os.Chtimes(path, time.Time{}, info.ModTime()))
}

// copyAll copies a folder with all that a backup keeps.
func copyAll(from, to string) error {
	out, err := exec.Command("cp", "-a", "--reflink=auto", from, to).CombinedOutput() //nolint:noctx // it takes a moment
	if err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return nil
}

// bad expects a backup to be found damaged, and not to be restored.
func (s Shelf) bad(t *testing.T, a providers.Archiver, what string) {
	t.Helper()
	findings, err := a.Verify(t.Context(), ID)
	if err != nil || !(providers.Report{Findings: findings}).Failed() {
		t.Errorf("%s: verify finds %v, %v", what, findings, err)
	}
	for _, f := range findings {
		if f.Remedy == "" {
			t.Errorf("%s: no remedy: %v", what, f)
		}
	}
	parent := t.TempDir()
	_, err = a.Fetch(t.Context(), ID, func(art providers.Artifact) string { return filepath.Join(parent, url.PathEscape(art.Address)) })
	if err == nil || problem.Remedy(err) == "" && !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("%s: fetch: %v", what, err)
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("%s: fetch left %v", what, left)
	}
}
