package tar

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bkp/internal/lab/bucket"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
	"bkp/providers/providertest"
)

func TestArchiver(t *testing.T) {
	for _, compression := range []string{"zstd", "gzip", "none"} {
		t.Run(compression, func(t *testing.T) {
			providertest.RunArchiver(t, func(t *testing.T) providertest.Shelf { return newSuite(t, compression).shelf() })
		})
		t.Run(compression+" encrypted", func(t *testing.T) {
			providertest.RunArchiver(t, func(t *testing.T) providertest.Shelf {
				s := newSuite(t, compression)
				s.keys = newKeys(t)
				return s.shelf()
			})
		})
	}
}

// suite is a destination, and the trees of a backup.
type suite struct {
	compression, destination, states string
	home, dump                       string
	// bucket has the destination, if it is none of a folder.
	bucket bucket.Bucket
	// folder is where the objects lie.
	folder string
	// piece is how many bytes an object may have, 0 for any.
	piece int64
	// keys encrypt, nil for nothing.
	keys *keys
}

func newSuite(t *testing.T, compression string) suite {
	t.Helper()
	s := suite{
		compression: compression, destination: filepath.Join(t.TempDir(), "archives"), states: t.TempDir(),
		home: home(t), dump: filepath.Join(t.TempDir(), "dump"),
	}
	s.folder = s.destination
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
	a := open(t, s.destination, func(c *Config) {
		if s.bucket.Name != "" {
			inBucket(s.bucket)(c)
		}
		c.Compression = s.compression
	})
	a.env.Address, a.env.WorkDir, a.env.Instance.Name = providertest.Address, filepath.Join(s.states, state), "test"
	if s.keys != nil {
		s.keys.use(t, a, s.keys.file)
	}
	if s.piece == 0 {
		return a
	}
	return inPieces(a, s.piece)
}

// objects has the manifest last, as it comes.
func (s suite) objects(t *testing.T, b providers.BackupID) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.folder, string(b), "*"))
	must(t, err)
	found = slices.DeleteFunc(found, func(path string) bool { return filepath.Base(path)[0] == '.' })
	slices.SortFunc(found, func(x, y string) int {
		if filepath.Base(x) == shelf.ManifestObject {
			return 1
		}
		return -1
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
		must(t, os.Remove(path))
	}
	if s.bucket.Name == "" {
		write(t, a.place.At(place.Name(m.ID, ".x.tar.partial")), "half")
	}
	_, err = a.place.Claim(t.Context(), m.ID, a.shelf().Claims().Maker())
	must(t, err)
}
