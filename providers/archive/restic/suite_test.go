//go:build unix

package restic

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"bkp/providers"
	"bkp/providers/providertest"
)

func TestLongBedArchiver(t *testing.T) {
	providertest.RunArchiver(t, func(t *testing.T) providertest.Shelf { return newSuite(t).shelf() })
}

// suite is a repository in a folder, and the trees of a backup.
type suite struct{ repository, states, home, dump string }

func newSuite(t *testing.T) suite {
	t.Helper()
	s := suite{filepath.Join(t.TempDir(), "repository"), t.TempDir(), home(t), filepath.Join(t.TempDir(), "dump")}
	write(t, filepath.Join(s.dump, "toc.dat"), "dump")
	return s
}

// home makes a tree with everything that a home may hold.
func home(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "a.txt"), "first")
	write(t, filepath.Join(tree, "a", "inside"), "sorts before a.txt by folder, after it by name")
	write(t, filepath.Join(tree, "data", strings.Repeat("long", 40), strings.Repeat("name", 50)), "long")
	write(t, filepath.Join(tree, "data", "ünï cödé 'quoted' \"%=\n"), "odd")
	write(t, filepath.Join(tree, "data", "$HOME [a-z]* \\ # ! "), "a pattern")
	write(t, filepath.Join(tree, "not \xff\xfe utf-8"), "latin")
	write(t, filepath.Join(tree, "empty file"), "")
	write(t, filepath.Join(tree, "script"), "#!/bin/sh\n")
	must(t, os.WriteFile(filepath.Join(tree, "large"), noise(3<<20), 0o600), os.MkdirAll(filepath.Join(tree, "empty", "folder"), 0o755))
	must(t, os.Chown(filepath.Join(tree, "script"), 1234, 4321), os.Chmod(filepath.Join(tree, "script"), 0o751|fs.ModeSetuid),
		os.Symlink("a.txt", filepath.Join(tree, "link")), os.Symlink("/nowhere/at/all", filepath.Join(tree, "dangling")),
		os.Link(filepath.Join(tree, "a.txt"), filepath.Join(tree, "z hard link")), unix.Mkfifo(filepath.Join(tree, "fifo"), 0o640))
	for _, name := range []string{"a.txt", "a", "."} {
		if err := xattr.Set(filepath.Join(tree, name), "user.k%e=y", []byte("va\x00lue")); err != nil {
			t.Logf("without extended attributes: %v", err)
		}
	}
	f, err := os.Create(filepath.Join(tree, "sparse"))
	must(t, err)
	_, err = f.WriteAt([]byte("in the middle"), 5<<20)
	must(t, err, f.Truncate(16<<20), f.Close())
	must(t, os.Chtimes(filepath.Join(tree, "script"), time.Time{}, old), os.Chmod(filepath.Join(tree, "empty"), 0o500), os.Chtimes(filepath.Join(tree, "empty"), time.Time{}, old))
	must(t, os.Chmod(tree, 0o2750), os.Chown(tree, 0, 4321), os.Chtimes(tree, time.Time{}, old))
	return tree
}

func (s suite) shelf() providertest.Shelf {
	return providertest.Shelf{
		New: func(t *testing.T, state string) providers.Archiver { return s.open(t, state) },
		Capture: func(_ *testing.T, b providers.BackupID) providers.Manifest {
			return manifest(b, map[string]string{artifact: s.home, dumped: s.dump, "database.embedded.x": ""})
		},
		Objects: s.objects,
		Killed:  s.killed,
	}
}

func (s suite) open(t *testing.T, state string) *archive {
	t.Helper()
	a := open(t, s.repository, filepath.Join(s.states, state), nil)
	must(t, a.makeWork())
	if _, err := a.config(t.Context()); codeOf(err) == codeNone {
		must(t, a.makeRepository(t.Context())) // as Reserve does before anything else
	}
	return a
}

// objects are the files of the snapshots, that of the manifest last. The record is not among them,
// which only Rebuild reads.
func (s suite) objects(t *testing.T, b providers.BackupID) []string {
	t.Helper()
	all := left(t, s.open(t, "look"), b)
	var out []string
	for _, id := range append(all.parts().ids(), all.only(tagManifest).ids()...) {
		out = append(out, filepath.Join(s.repository, "snapshots", id))
	}
	return out
}

func (s suite) killed(t *testing.T, state string, m providers.Manifest, objects int) {
	t.Helper()
	a := s.open(t, state)
	_, err := a.Store(t.Context(), m, nil)
	must(t, err)
	for _, path := range s.objects(t, m.ID)[objects:] {
		must(t, os.Remove(path))
	}
	_, err = a.reserved(t.Context(), m.ID)
	must(t, err)
}
