package tree

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/lab/loopfs"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/providertest"
)

// kinds are the file systems whose files can share blocks.
var kinds = []string{"xfs", "btrfs"}

func TestArchiver(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			disk := loopfs.Mount(t, kind)
			providertest.RunArchiver(t, func(t *testing.T) providertest.Shelf { return newSuite(t, disk, false).shelf() })
		})
	}
	t.Run("copied", func(t *testing.T) {
		disk := loopfs.Mount(t, "ext4")
		providertest.RunArchiver(t, func(t *testing.T) providertest.Shelf { return newSuite(t, disk, true).shelf() })
	})
}

// suite is a destination, and the trees of a backup.
type suite struct {
	destination, states, home, dump string
	copies                          bool
}

// newSuite makes all of it on one disk.
func newSuite(t *testing.T, disk string, copies bool) suite {
	t.Helper()
	dir, err := os.MkdirTemp(disk, "suite")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	s := suite{filepath.Join(dir, "trees"), filepath.Join(dir, "states"), filepath.Join(dir, "home"), filepath.Join(dir, "dump"), copies}
	home(t, s.home)
	write(t, filepath.Join(s.dump, "toc.dat"), "dump")
	return s
}

func (s suite) shelf() providertest.Shelf {
	return providertest.Shelf{
		New: func(t *testing.T, state string) providers.Archiver { return s.open(t, state) },
		Capture: func(_ *testing.T, b providers.BackupID) providers.Manifest {
			m := manifest(map[string]string{artifact: s.home, `database.postgresql.main["a/b"]`: s.dump, "database.embedded.x": ""})
			m.ID, m.Instance, m.Created = b, "test", b.Time()
			return m
		},
		Objects: s.objects,
		Killed:  s.killed,
	}
}

func (s suite) open(t *testing.T, state string) *archive {
	t.Helper()
	a := open(t, s.destination, func(c *Config) { c.Copy = s.copies })
	a.env.Address, a.env.WorkDir, a.env.Instance.Name = providertest.Address, filepath.Join(s.states, state), "test"
	return a
}

// objects are each tree and then its index, as they come, and the manifest last.
func (s suite) objects(t *testing.T, b providers.BackupID) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.destination, string(b), "*"))
	must(t, err)
	found = slices.DeleteFunc(found, func(path string) bool { return isHidden(filepath.Base(path)) })
	slices.SortFunc(found, func(x, y string) int {
		if filepath.Base(x) == shelf.ManifestObject {
			return 1
		}
		if filepath.Base(y) == shelf.ManifestObject {
			return -1
		}
		return strings.Compare(x, y)
	})
	return found
}

func (s suite) killed(t *testing.T, state string, m providers.Manifest, objects int) {
	t.Helper()
	a := s.open(t, state)
	_, err := a.Store(t.Context(), m, nil)
	must(t, err)
	all := s.objects(t, m.ID)
	for _, path := range all[objects:] {
		must(t, os.RemoveAll(path))
	}
	write(t, filepath.Join(s.destination, string(m.ID), ".x.partial", "half"), "half")
	write(t, filepath.Join(s.destination, string(m.ID), ".x.index.partial"), "half")
	_, err = a.place.Claim(t.Context(), m.ID, a.shelf().Claims().Maker())
	must(t, err)
}
