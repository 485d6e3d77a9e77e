package tar

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/providers"
)

// Every flipped bit is found, wherever it is.
func TestVerifyFindsFlippedBits(t *testing.T) {
	for _, compression := range []string{"zstd", "gzip", "none"} {
		t.Run(compression, func(t *testing.T) {
			tree := filepath.Join(t.TempDir(), "tree")
			for i := range 20 {
				write(t, filepath.Join(tree, fmt.Sprint(i)), strings.Repeat(fmt.Sprint(i), i*100))
			}
			a := open(t, t.TempDir(), func(c *Config) { c.Compression = compression })
			m := store(t, a, map[string]string{"home.mirror.shared": tree})
			for _, path := range []string{m.Stored[0].Location, a.manifestPath(id)} {
				good, err := os.ReadFile(path)
				must(t, err)
				bits := []int{0, 1, 8 * len(good) / 2, 8*len(good) - 8, 8*len(good) - 1}
				for range 40 {
					bits = append(bits, rand.IntN(8*len(good)))
				}
				for _, bit := range bits {
					must(t, os.WriteFile(path, flip(good, bit), 0o600))
					if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) == 0 {
						t.Errorf("%s: bit %d of byte %d: %v", filepath.Base(path), bit%8, bit/8, err)
					}
				}
				must(t, os.WriteFile(path, good, 0o600))
			}
		})
	}
}

func flip(data []byte, bit int) []byte {
	data = bytes.Clone(data)
	data[bit/8] ^= 1 << (bit % 8)
	return data
}

func TestUnsealFindsEveryFlippedBit(t *testing.T) {
	m := inner(manifest(map[string]string{"home.mirror.shared": "/tree"}))
	m.Stored = []providers.Stored{{Archive: "archive.tar.local", Location: "/<&>", Bytes: 1, SHA256: strings.Repeat("0a", 32)}}
	data, err := seal(m)
	must(t, err)
	got, err := unseal(data)
	if err != nil || !same(got, m) {
		t.Fatalf("%v %v", got, err)
	}
	for bit := range 8 * len(data) {
		if _, err := unseal(flip(data, bit)); err == nil {
			t.Errorf("bit %d of byte %d", bit%8, bit/8)
		}
	}
	for _, other := range [][]byte{append(bytes.Clone(data), '\n'), data[:len(data)-1], bytes.Replace(data, []byte("{"), []byte(`{"x":1,`), 1)} {
		if _, err := unseal(other); err == nil {
			t.Errorf("accepted: %s", other)
		}
	}
}

func TestVerifyNamesTheDamage(t *testing.T) {
	a := open(t, t.TempDir(), func(c *Config) { c.Compression = "none" })
	dump := filepath.Join(t.TempDir(), "dump")
	write(t, filepath.Join(dump, "toc.dat"), "the content of the dump")
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "file"), "the content of the home")
	m := store(t, a, map[string]string{"database.postgresql.main": dump, "home.mirror.shared": tree})

	good, err := os.ReadFile(m.Stored[0].Location)
	must(t, err)
	must(t, os.WriteFile(m.Stored[0].Location, bytes.Replace(good, []byte("of the dump"), []byte("of the dumb"), 1), 0o600))
	findings, err := a.Verify(t.Context(), id)
	must(t, err)
	text := fmt.Sprint(findings)
	if !strings.Contains(text, "database.postgresql.main") || strings.Contains(text, "home.mirror.shared") {
		t.Errorf("damage of one artifact is reported as %v", findings)
	}

	must(t, os.WriteFile(m.Stored[0].Location, good[:len(good)/2], 0o600))
	findings, err = a.Verify(t.Context(), id)
	if err != nil || len(findings) == 0 {
		t.Errorf("half an archive: %v %v", findings, err)
	}
	must(t, os.Remove(m.Stored[0].Location))
	findings, err = a.Verify(t.Context(), id)
	if err != nil || len(findings) != 1 || findings[0].Summary != archiveMissing {
		t.Errorf("missing archive: %v %v", findings, err)
	}
	if _, err := a.Verify(t.Context(), "other-20261122T214431Z"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("unknown id: %v", err)
	}
}
