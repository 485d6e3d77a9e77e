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
	"bkp/providers/archive/internal/document"
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
			store(t, a, map[string]string{artifact: tree})
			for _, path := range []string{partPath(t, a, artifact), manifestPath(a, id)} {
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

func TestOpenManifestFindsEveryFlippedBit(t *testing.T) {
	m := document.Inner(manifest(map[string]string{artifact: "/tree"}))
	part := providers.Part{Objects: []providers.Object{{Name: artifact + ".tar", Bytes: 1, SHA256: strings.Repeat("0a", 32)}}, Bytes: 1}
	m.Stored = []providers.Stored{{Archive: "archive.tar.local", Location: "/<&>", Parts: map[string]providers.Part{artifact: part}}}
	data, err := document.Seal("manifest", m)
	must(t, err)
	got, err := (&archive{}).shelf().Open(data, id)
	if err != nil || !document.Same(got, m) {
		t.Fatalf("%v %v", got, err)
	}
	for bit := range 8 * len(data) {
		if _, err := (&archive{}).shelf().Open(flip(data, bit), id); err == nil {
			t.Errorf("bit %d of byte %d", bit%8, bit/8)
		}
	}
	for _, other := range [][]byte{append(bytes.Clone(data), '\n'), data[:len(data)-1], bytes.Replace(data, []byte("{"), []byte(`{"x":1,`), 1)} {
		if _, err := (&archive{}).shelf().Open(other, id); err == nil {
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
	store(t, a, map[string]string{"database.postgresql.main": dump, artifact: tree})

	object := partPath(t, a, "database.postgresql.main")
	good, err := os.ReadFile(object)
	must(t, err)
	must(t, os.WriteFile(object, bytes.Replace(good, []byte("of the dump"), []byte("of the dumb"), 1), 0o600))
	findings, err := a.Verify(t.Context(), id)
	must(t, err)
	text := fmt.Sprint(findings)
	if !strings.Contains(text, "database.postgresql.main") || strings.Contains(text, "home.mirror.shared") {
		t.Errorf("damage of one artifact is reported as %v", findings)
	}

	must(t, os.WriteFile(object, good[:len(good)/2], 0o600))
	findings, err = a.Verify(t.Context(), id)
	if err != nil || len(findings) == 0 {
		t.Errorf("half an archive: %v %v", findings, err)
	}
	if list, findings, err := a.List(t.Context()); err != nil || len(list) > 0 || len(findings) != 1 || findings[0].Summary != archiveDamaged {
		t.Errorf("half an archive is listed: %v %v %v", list, findings, err)
	}
	must(t, os.Remove(object))
	findings, err = a.Verify(t.Context(), id)
	if err != nil || len(findings) != 1 || findings[0].Summary != archiveMissing {
		t.Errorf("missing archive: %v %v", findings, err)
	}
	if _, err := a.Verify(t.Context(), "other-20261122T214431Z"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("unknown id: %v", err)
	}
}
