package tar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/place"
	"bkp/providers/providertest"
)

// smallPieces is a place that takes only small objects.
type smallPieces struct {
	place.Place
	most int64
}

func (s smallPieces) Piece() int64 { return s.most }

// inPieces makes an archive store objects of at most so many bytes.
func inPieces(a *archive, most int64) *archive {
	a.place = smallPieces{a.place, most}
	return a
}

func TestArchiverOfPieces(t *testing.T) {
	providertest.RunArchiver(t, func(t *testing.T) providertest.Shelf {
		s := newSuite(t, "zstd")
		s.piece = 100 << 10
		return s.shelf()
	})
}

// TestPiecesAreThePart: cat joins them, and the manifest has each.
func TestPiecesAreThePart(t *testing.T) {
	tree := home(t)
	whole, cut := open(t, t.TempDir(), nil), inPieces(open(t, t.TempDir(), nil), 1<<20)
	store(t, whole, map[string]string{artifact: tree})
	m := store(t, cut, map[string]string{artifact: tree})
	objects := m.Stored[0].Parts[artifact].Objects
	if len(objects) != 4 {
		t.Fatalf("%+v", objects)
	}
	var joined []byte
	for i, o := range objects {
		data, err := os.ReadFile(cut.place.At(place.Name(id, o.Name)))
		must(t, err)
		if int64(len(data)) != o.Bytes || document.Digest(data) != o.SHA256 || i < len(objects)-1 && o.Bytes != 1<<20 {
			t.Errorf("%+v has %d bytes", o, len(data))
		}
		joined = append(joined, data...)
	}
	found, err := filepath.Glob(filepath.Join(cut.cfg.Destination, string(id), artifact+".tar.zst*"))
	if err != nil || !slices.EqualFunc(found, objects, func(path string, o providers.Object) bool { return filepath.Base(path) == o.Name }) {
		t.Errorf("a shell finds %q", found)
	}
	want, err := os.ReadFile(partPath(t, whole, artifact))
	must(t, err)
	if !bytes.Equal(joined, want) {
		t.Errorf("together they have %d bytes, want %d", len(joined), len(want))
	}
}

// TestDamagedPiecesAreFound, and nothing of them is unpacked.
func TestDamagedPiecesAreFound(t *testing.T) {
	tree := home(t)
	for name, c := range map[string]struct {
		damage func(t *testing.T, first, second, last string)
		want   string
	}{
		"missing":    {func(t *testing.T, _, second, _ string) { must(t, os.Remove(second)) }, archiveMissing},
		"last lost":  {func(t *testing.T, _, _, last string) { must(t, os.Remove(last)) }, archiveMissing},
		"first lost": {func(t *testing.T, first, _, _ string) { must(t, os.Remove(first)) }, archiveMissing},
		"torn":       {func(t *testing.T, _, second, _ string) { must(t, os.Truncate(second, 1000)) }, archiveDamaged},
		"exchanged": {func(t *testing.T, first, second, _ string) {
			must(t, os.Rename(first, first+"x"), os.Rename(second, first), os.Rename(first+"x", second))
		}, archiveDamaged},
		"another more": {func(t *testing.T, first, _, _ string) { write(t, first+".00009", "more") }, fileExtra},
	} {
		t.Run(name, func(t *testing.T) {
			a := inPieces(open(t, t.TempDir(), nil), 1<<20)
			m := store(t, a, map[string]string{artifact: tree})
			var paths []string
			for _, o := range m.Stored[0].Parts[artifact].Objects {
				paths = append(paths, a.place.At(place.Name(id, o.Name)))
			}
			c.damage(t, paths[0], paths[1], paths[len(paths)-1])
			findings, err := a.Verify(t.Context(), id)
			if err != nil || !slices.ContainsFunc(findings, func(f providers.Finding) bool { return f.Summary == c.want }) {
				t.Errorf("verify: %v, %v", findings, err)
			}
			if c.want == fileExtra {
				return
			}
			parent := t.TempDir()
			if _, err := a.Fetch(t.Context(), id, into(parent)); err == nil {
				t.Error("it is unpacked")
			}
			if left, _ := os.ReadDir(parent); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			must(t, os.Remove(manifestPath(a, id)))
			if made, _, err := a.Rebuild(t.Context()); err != nil || len(made) > 0 {
				t.Errorf("made again: %v, %v", made, err)
			}
		})
	}
}

func TestRebuildJoinsPieces(t *testing.T) {
	a := inPieces(open(t, t.TempDir(), nil), 1<<20)
	store(t, a, map[string]string{artifact: home(t)})
	good, err := os.ReadFile(manifestPath(a, id))
	must(t, err, os.Remove(manifestPath(a, id)))
	made, findings, err := a.Rebuild(t.Context())
	if err != nil || len(findings) > 0 || len(made) != 1 {
		t.Fatalf("%v %v %v", made, findings, err)
	}
	if again, err := os.ReadFile(manifestPath(a, id)); err != nil || !bytes.Equal(again, good) {
		t.Errorf("the manifest was\n%s\nand is\n%s", good, again)
	}
}

// memoryPlace keeps what is created, and fails where a test wants it to.
type memoryPlace struct {
	mu   sync.Mutex
	has  map[string]string
	fail func(name string) error
}

func (m *memoryPlace) create(name string, write func(io.Writer) error) error {
	var b strings.Builder
	if err := m.fail(name); err != nil {
		return err
	}
	if err := write(&b); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.has[name] = b.String()
	return nil
}

func TestPiecesOfAStream(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		text string
		most int64
		want string
	}{{"", 4, "[]"}, {"abc", 4, "[abc]"}, {"abcd", 4, "[abcd]"}, {"abcde", 4, "[abcd e]"}, {"abcdefghi", 4, "[abcd efgh i]"}, {"abcdefghi", 0, "[abcdefghi]"}} {
		for _, failed := range []error{nil, boom} {
			m := &memoryPlace{has: map[string]string{}, fail: func(string) error { return nil }}
			p := &pieces{create: m.create, object: "x", most: c.most}
			_, err := io.Copy(p, strings.NewReader(c.text))
			must(t, err)
			objects, err := p.end(failed)
			if !errors.Is(err, failed) {
				t.Errorf("%q: %v", c.text, err)
			}
			got := []string{}
			for _, o := range objects {
				if text, ok := m.has[o.Name]; ok {
					got = append(got, text)
				}
			}
			if failed == nil && fmt.Sprint(got) != c.want {
				t.Errorf("%q in pieces of %d: %q", c.text, c.most, got)
			}
			if failed != nil && len(got) > 0 && len(got) == len(objects) {
				t.Errorf("%q failed, and its last piece is there: %q", c.text, got)
			}
		}
	}
}

// TestAPieceThatFailsEndsTheStream: who writes on learns of it, and does not wait.
func TestAPieceThatFailsEndsTheStream(t *testing.T) {
	for n := range 4 {
		m := &memoryPlace{has: map[string]string{}, fail: func(name string) error {
			if name == pieceName("x", n) {
				return fs.ErrExist
			}
			return nil
		}}
		p := &pieces{create: m.create, object: "x", most: 4}
		_, failed := io.Copy(p, strings.NewReader(strings.Repeat("y", 16)))
		if _, err := p.end(failed); !errors.Is(err, fs.ErrExist) {
			t.Errorf("piece %d: %v", n+1, err)
		}
	}
}

func TestNamesOfPieces(t *testing.T) {
	for i, want := range map[int]string{0: "a.tar.zst", 1: "a.tar.zst.00002", maxPieces - 1: "a.tar.zst.99999"} {
		got := pieceName("a.tar.zst", i)
		if f, ok := formatOf(got); got != want || firstOf(got) != "a.tar.zst" || !ok || f.suffix != ".tar.zst" {
			t.Errorf("%d: %q of %q", i, got, firstOf(got))
		}
	}
	for _, name := range []string{"", "manifest.json", ".00002", "a.0002", "a.tar.x0002", "a.tar.000002"} {
		if _, ok := formatOf(name); ok {
			t.Errorf("%q passes for a part", name)
		}
	}
}
