package tar

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"bkp/providers"
)

// small makes a backup of a few files in a destination of its own.
func small(t *testing.T, compression string, id providers.BackupID, text string) *archive {
	t.Helper()
	tree, dump := filepath.Join(t.TempDir(), "tree"), filepath.Join(t.TempDir(), "dump")
	write(t, filepath.Join(tree, "file"), text)
	write(t, filepath.Join(dump, "toc.dat"), "dump of "+text)
	a := open(t, filepath.Join(t.TempDir(), "archives"), func(c *Config) { c.Compression = compression })
	m := manifest(map[string]string{"home.mirror.shared": tree, "database.postgresql.main": dump})
	m.ID = id
	_, err := a.Store(t.Context(), m, nil)
	must(t, err)
	return a
}

// files are all that a backup consists of.
func files(t *testing.T, a *archive) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(a.cfg.Destination)
	must(t, err)
	out := map[string][]byte{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(a.cfg.Destination, e.Name()))
		must(t, err)
		out[e.Name()] = data
	}
	return out
}

// damaged verifies the backup with one of its files replaced, in a destination
// of its own so that several can be looked at at once.
func damaged(t *testing.T, good map[string][]byte, dir, name string, data []byte) bool {
	t.Helper()
	a := &archive{cfg: Config{Destination: dir, Compression: "none"}, env: providers.Env{Address: "archive.tar.local"}}
	must(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	findings, err := a.Verify(t.Context(), id)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	must(t, os.WriteFile(filepath.Join(dir, name), good[name], 0o600))
	return len(findings) > 0
}

// eachDamage tries n damages of one file on all cores, and returns how many
// were missed.
func eachDamage(t *testing.T, good map[string][]byte, name string, n int, damage func(i int) []byte) int64 {
	t.Helper()
	var next, missed atomic.Int64
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		dir := t.TempDir()
		for other, data := range good {
			must(t, os.WriteFile(filepath.Join(dir, other), data, 0o600))
		}
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if !damaged(t, good, dir, name, damage(i)) {
					missed.Add(1)
					t.Errorf("%s: damage %d is not found", name, i)
				}
			}
		})
	}
	wait.Wait()
	return missed.Load()
}

// stride is 1, for all damages, in make torture, and always for what is written
// without being asked. Elsewhere it is a prime, so that in the end every bit of
// a byte has its turn.
func stride(compression string) int {
	if compression == "zstd" || os.Getenv("BKP_TORTURE") != "" {
		return 1
	}
	return 29
}

// TestVerifyFindsEveryFlippedBit flips each bit of each file of a backup.
func TestVerifyFindsEveryFlippedBit(t *testing.T) {
	for _, compression := range []string{"zstd", "gzip", "none"} {
		t.Run(compression, func(t *testing.T) {
			good := files(t, small(t, compression, id, "some text"))
			if len(good) != 2 {
				t.Fatalf("%d files", len(good))
			}
			for name, data := range good {
				step := stride(compression)
				missed := eachDamage(t, good, name, 8*len(data)/step, func(i int) []byte { return flip(data, i*step) })
				t.Logf("%s: %d bits flipped, %d missed", name, 8*len(data)/step, missed)
			}
		})
	}
}

// TestVerifyFindsEveryLength cuts each file of a backup at every byte, and
// appends to it.
func TestVerifyFindsEveryLength(t *testing.T) {
	for _, compression := range []string{"zstd", "gzip", "none"} {
		t.Run(compression, func(t *testing.T) {
			good := files(t, small(t, compression, id, "some text"))
			for name, data := range good {
				step := stride(compression)
				missed := eachDamage(t, good, name, len(data)/step, func(i int) []byte { return data[:i*step] })
				t.Logf("%s: cut to %d lengths, %d missed", name, len(data)/step, missed)
				more := []string{"\x00", " ", "\n", "x", strings.Repeat("\x00", 512), strings.Repeat("\x00", 1024), string(data)}
				eachDamage(t, good, name, len(more), func(i int) []byte { return append(data[:len(data):len(data)], more[i]...) })
			}
		})
	}
}

func TestVerifyFindsFilesThatAreMissingSwappedOrTooMany(t *testing.T) {
	const other = providers.BackupID("prod-20261121T214431Z")
	for _, compression := range []string{"zstd", "gzip", "none"} {
		suffix := formats[compression].suffix
		for name, damage := range map[string]func(t *testing.T, dir string, theirs map[string][]byte){
			"archive missing": func(t *testing.T, dir string, _ map[string][]byte) {
				must(t, os.Remove(filepath.Join(dir, string(id)+suffix)))
			},
			"manifest missing": func(t *testing.T, dir string, _ map[string][]byte) {
				must(t, os.Remove(filepath.Join(dir, string(id)+manifestSuffix)))
			},
			"archive swapped": func(t *testing.T, dir string, theirs map[string][]byte) {
				must(t, os.WriteFile(filepath.Join(dir, string(id)+suffix), theirs[string(other)+suffix], 0o600))
			},
			"manifest swapped": func(t *testing.T, dir string, theirs map[string][]byte) {
				must(t, os.WriteFile(filepath.Join(dir, string(id)+manifestSuffix), theirs[string(other)+manifestSuffix], 0o600))
			},
			"both swapped": func(t *testing.T, dir string, theirs map[string][]byte) {
				must(t, os.WriteFile(filepath.Join(dir, string(id)+suffix), theirs[string(other)+suffix], 0o600),
					os.WriteFile(filepath.Join(dir, string(id)+manifestSuffix), theirs[string(other)+manifestSuffix], 0o600))
			},
			"second archive": func(t *testing.T, dir string, theirs map[string][]byte) {
				for c, f := range formats {
					if c != compression {
						must(t, os.WriteFile(filepath.Join(dir, string(id)+f.suffix), theirs[string(other)+suffix], 0o600))
						return
					}
				}
			},
			"half a file": func(t *testing.T, dir string, _ map[string][]byte) {
				must(t, os.WriteFile(partialPath(filepath.Join(dir, string(id)+suffix)), nil, 0o600))
			},
			"strange file": func(t *testing.T, dir string, _ map[string][]byte) {
				must(t, os.WriteFile(filepath.Join(dir, string(id)+".old"), nil, 0o600))
			},
		} {
			t.Run(compression+" "+name, func(t *testing.T) {
				a, b := small(t, compression, id, "some text"), small(t, compression, other, "another text")
				if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
					t.Fatalf("undamaged: %v %v", findings, err)
				}
				damage(t, a.cfg.Destination, files(t, b))
				if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) == 0 {
					t.Errorf("nothing is found: %v", err)
				}
			})
		}
	}
}

// TestFetchRefusesAManifestOfAnotherArchive gives an archive a manifest that is
// whole, and is not its own.
func TestFetchRefusesAManifestOfAnotherArchive(t *testing.T) {
	a := small(t, "zstd", id, "some text")
	good, err := a.load(id)
	must(t, err)
	for name, lie := range map[string]func(*providers.Manifest){
		"digest of the file": func(m *providers.Manifest) { m.Stored[0].SHA256 = strings.Repeat("0", 64) },
		"size of the file":   func(m *providers.Manifest) { m.Stored[0].Bytes++ },
		"digest of a part":   func(m *providers.Manifest) { m.Artifacts[1].SHA256 = strings.Repeat("0", 64) },
		"size of a part":     func(m *providers.Manifest) { m.Artifacts[0].Bytes++ },
		"no file":            func(m *providers.Manifest) { m.Stored = nil },
		"no digest of a part": func(m *providers.Manifest) {
			m.Artifacts[1].SHA256, m.Artifacts[1].Files, m.Artifacts[1].Bytes = "", 0, 0
		},
		"a part less": func(m *providers.Manifest) { m.Artifacts = m.Artifacts[:1] },
		"a point in time": func(m *providers.Manifest) {
			m.Artifacts[0].PointInTime = m.Artifacts[0].PointInTime.Add(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			m.Stored, m.Artifacts = append([]providers.Stored(nil), good.Stored...), append([]providers.Artifact(nil), good.Artifacts...)
			lie(&m)
			data, err := seal(m)
			must(t, err, os.WriteFile(a.manifestPath(id), data, 0o600))
			parent := t.TempDir()
			if _, err := a.Fetch(t.Context(), id, into(parent)); err == nil {
				t.Error("it is unpacked")
			}
			if left, _ := os.ReadDir(parent); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestRebuildMakesALostManifestAgain also tries each flipped bit: what is made
// again never speaks for a part that changed.
func TestRebuildMakesALostManifestAgain(t *testing.T) {
	for _, compression := range []string{"zstd", "gzip", "none"} {
		t.Run(compression, func(t *testing.T) {
			a := small(t, compression, id, "some text")
			good := files(t, a)
			must(t, os.Remove(a.manifestPath(id)))
			if list, findings, err := a.List(t.Context()); err != nil || len(list) != 0 || len(findings) != 1 {
				t.Fatalf("list without a manifest: %v %v %v", list, findings, err)
			}
			made, findings, err := a.Rebuild(t.Context())
			if err != nil || len(findings) > 0 || fmt.Sprint(made) != fmt.Sprint([]providers.BackupID{id}) {
				t.Fatalf("made %v, findings %v, error %v", made, findings, err)
			}
			if again := files(t, a)[string(id)+manifestSuffix]; string(again) != string(good[string(id)+manifestSuffix]) {
				t.Errorf("the manifest was\n%s\nand is\n%s", good[string(id)+manifestSuffix], again)
			}
			checkPrivate(t, a.cfg.Destination)

			name := string(id) + formats[compression].suffix
			original, wrong := good[name], 0
			for bit := 0; bit < 8*len(original); bit += 7 * stride(compression) {
				must(t, os.Remove(a.manifestPath(id)), os.WriteFile(filepath.Join(a.cfg.Destination, name), flip(original, bit), 0o600))
				made, _, err := a.Rebuild(t.Context())
				must(t, err)
				if len(made) == 0 {
					must(t, os.WriteFile(a.manifestPath(id), nil, 0o600))
					continue
				}
				m, err := a.load(id)
				must(t, err)
				want, err := unseal(good[string(id)+manifestSuffix])
				must(t, err)
				if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
					wrong++
					t.Errorf("bit %d of byte %d: a backup is listed that does not verify: %v %v", bit%8, bit/8, findings, err)
				}
				if !same(inner(m), inner(want)) {
					wrong++
					t.Errorf("bit %d of byte %d gives another manifest", bit%8, bit/8)
				}
			}
			t.Logf("%s: %d wrong manifests", name, wrong)
		})
	}
}

func TestRebuildNeedsASealedManifest(t *testing.T) {
	a := open(t, t.TempDir(), nil)
	plant(t, a, []tar.Header{dirEntry(hostile), fileEntry(hostile + "/a")})
	must(t, os.Remove(a.manifestPath(id)))
	if made, findings, err := a.Rebuild(t.Context()); err != nil || len(made) > 0 || len(findings) != 1 {
		t.Errorf("made %v, findings %v, error %v", made, findings, err)
	}
}
