package tar

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place/folder"
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

// files are all that lie in the destination, by their names in it.
func files(t *testing.T, a *archive) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	must(t, filepath.WalkDir(a.cfg.Destination, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(a.cfg.Destination, path)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(rel)], err = os.ReadFile(path)
		return err
	}))
	return out
}

// damaged verifies the backup with one of its files replaced, in a destination
// of its own so that several can be looked at at once.
func damaged(t *testing.T, good map[string][]byte, dir, name string, data []byte) bool {
	t.Helper()
	at, err := folder.New(dir)
	must(t, err)
	a := &archive{cfg: Config{Destination: dir, Compression: "none"}, env: providers.Env{Address: "archive.tar.local"}, place: at}
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
			write(t, filepath.Join(dir, other), string(data))
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
			if len(good) != 3 {
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
		object := artifact + formats[compression].suffix
		dump := "database.postgresql.main" + formats[compression].suffix
		for name, damage := range map[string]func(t *testing.T, dir string, theirs map[string][]byte){
			"part missing": func(t *testing.T, dir string, _ map[string][]byte) { must(t, os.Remove(filepath.Join(dir, object))) },
			"manifest missing": func(t *testing.T, dir string, _ map[string][]byte) {
				must(t, os.Remove(filepath.Join(dir, shelf.ManifestObject)))
			},
			"part swapped": func(t *testing.T, dir string, theirs map[string][]byte) {
				must(t, os.WriteFile(filepath.Join(dir, object), theirs[object], 0o600))
			},
			"two parts swapped": func(t *testing.T, dir string, _ map[string][]byte) {
				must(t, os.Rename(filepath.Join(dir, object), filepath.Join(dir, "x")), os.Rename(filepath.Join(dir, dump), filepath.Join(dir, object)),
					os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, dump)))
			},
			"manifest swapped": func(t *testing.T, dir string, theirs map[string][]byte) {
				must(t, os.WriteFile(filepath.Join(dir, shelf.ManifestObject), theirs[shelf.ManifestObject], 0o600))
			},
			"all swapped": func(t *testing.T, dir string, theirs map[string][]byte) {
				for name, data := range theirs {
					must(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
				}
			},
			"second archive": func(t *testing.T, dir string, theirs map[string][]byte) {
				for c, f := range formats {
					if c != compression {
						must(t, os.WriteFile(filepath.Join(dir, artifact+f.suffix), theirs[object], 0o600))
						return
					}
				}
			},
			"half a file": func(t *testing.T, dir string, _ map[string][]byte) {
				must(t, os.WriteFile(filepath.Join(dir, "."+object+".partial"), nil, 0o600))
			},
			"strange file": func(t *testing.T, dir string, _ map[string][]byte) {
				must(t, os.WriteFile(filepath.Join(dir, "manifest.old"), nil, 0o600))
			},
			"link to a part": func(t *testing.T, dir string, _ map[string][]byte) {
				must(t, os.Rename(filepath.Join(dir, object), filepath.Join(dir, "..", "moved")), os.Symlink("../moved", filepath.Join(dir, object)))
			},
		} {
			t.Run(compression+" "+name, func(t *testing.T) {
				a, b := small(t, compression, id, "some text"), small(t, compression, other, "another text")
				if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
					t.Fatalf("undamaged: %v %v", findings, err)
				}
				theirs := map[string][]byte{}
				for name, data := range files(t, b) {
					theirs[filepath.Base(name)] = data
				}
				damage(t, filepath.Join(a.cfg.Destination, string(id)), theirs)
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
	const dump = "database.postgresql.main"
	a := small(t, "zstd", id, "some text")
	good, err := a.shelf().Load(t.Context(), id)
	must(t, err)
	of := func(address string, lie func(*providers.Part)) func(*providers.Manifest) {
		return func(m *providers.Manifest) {
			p := m.Stored[0].Parts[address]
			p.Objects = slices.Clone(p.Objects)
			lie(&p)
			m.Stored[0].Parts[address] = p
		}
	}
	for name, lie := range map[string]func(*providers.Manifest){
		"digest of an object":  of(artifact, func(p *providers.Part) { p.Objects[0].SHA256 = strings.Repeat("0", 64) }),
		"size of an object":    of(artifact, func(p *providers.Part) { p.Objects[0].Bytes++ }),
		"files of a part":      of(dump, func(p *providers.Part) { p.Files++ }),
		"bytes of a part":      of(dump, func(p *providers.Part) { p.Bytes++ }),
		"holes of a part":      of(artifact, func(p *providers.Part) { p.Holes++ }),
		"no digest of a part":  of(dump, func(p *providers.Part) { p.Objects[0].SHA256 = "" }),
		"object of another":    of(dump, func(p *providers.Part) { p.Objects[0].Name = artifact + ".tar.zst" }),
		"object that is above": of(dump, func(p *providers.Part) { p.Objects[0].Name = "../x.tar.zst" }),
		"no object":            of(dump, func(p *providers.Part) { p.Objects = nil }),
		"an object more":       of(dump, func(p *providers.Part) { p.Objects = append(p.Objects, p.Objects[0]) }),
		"no archive":           func(m *providers.Manifest) { m.Stored = nil },
		"a part less":          func(m *providers.Manifest) { delete(m.Stored[0].Parts, dump) },
		"an artifact less":     func(m *providers.Manifest) { m.Artifacts = m.Artifacts[1:] },
		"a point in time": func(m *providers.Manifest) {
			m.Artifacts[0].PointInTime = m.Artifacts[0].PointInTime.Add(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			m.Artifacts = slices.Clone(good.Artifacts)
			m.Stored = []providers.Stored{{Parts: maps.Clone(good.Stored[0].Parts)}}
			lie(&m)
			data, err := document.Seal("manifest", m)
			must(t, err, os.WriteFile(manifestPath(a, id), data, 0o600))
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
			name := string(id) + "/" + shelf.ManifestObject
			must(t, os.Remove(manifestPath(a, id)))
			if list, findings, err := a.List(t.Context()); err != nil || len(list) != 0 || len(findings) != 1 {
				t.Fatalf("list without a manifest: %v %v %v", list, findings, err)
			}
			made, findings, err := a.Rebuild(t.Context())
			if err != nil || len(findings) > 0 || fmt.Sprint(made) != fmt.Sprint([]providers.BackupID{id}) {
				t.Fatalf("made %v, findings %v, error %v", made, findings, err)
			}
			if again := files(t, a)[name]; string(again) != string(good[name]) {
				t.Errorf("the manifest was\n%s\nand is\n%s", good[name], again)
			}
			checkPrivate(t, a.cfg.Destination)
			want, err := (&archive{}).shelf().Open(good[name], id)
			must(t, err)

			restored := func() map[string]string {
				parent := t.TempDir()
				_, err := a.Fetch(t.Context(), id, into(parent))
				must(t, err)
				return describe(t, filepath.Join(parent, artifact))
			}
			content := restored()

			path := partPath(t, a, artifact)
			original, wrong := good[string(id)+"/"+filepath.Base(path)], 0
			var bits []int
			for bit := 0; bit < 8*len(original); bit += 7 * stride(compression) {
				bits = append(bits, bit)
			}
			if at := bytes.Index(original, []byte("some text")); at >= 0 { // nothing but the record protects it
				bits = append(bits, 8*at, 8*at+9)
			}
			for _, bit := range bits {
				must(t, os.RemoveAll(manifestPath(a, id)), os.WriteFile(path, flip(original, bit), 0o600))
				made, _, err := a.Rebuild(t.Context())
				must(t, err)
				if len(made) == 0 {
					continue
				}
				m, err := a.shelf().Load(t.Context(), id)
				must(t, err)
				if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
					wrong++
					t.Errorf("bit %d of byte %d: a backup is listed that does not verify: %v %v", bit%8, bit/8, findings, err)
				}
				if diff := cmp.Diff(content, restored()); diff != "" {
					wrong++
					t.Errorf("bit %d of byte %d: it restores something else: %s", bit%8, bit/8, diff)
				}
				if !document.Same(document.Inner(m), document.Inner(want)) {
					wrong++
					t.Errorf("bit %d of byte %d gives another manifest", bit%8, bit/8)
				}
			}
			t.Logf("%s: %d wrong manifests", path, wrong)
		})
	}
}

// TestRebuildNeedsAllPartsOfOneBackup: a manifest that is made again never speaks
// for a backup that lost a part, or has one of another.
func TestRebuildNeedsAllPartsOfOneBackup(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir, other string){
		"part missing": func(t *testing.T, dir, _ string) { must(t, os.Remove(filepath.Join(dir, artifact+".tar"))) },
		"part of another Store": func(t *testing.T, dir, other string) {
			must(t, os.Rename(filepath.Join(other, artifact+".tar"), filepath.Join(dir, artifact+".tar")))
		},
		"part twice": func(t *testing.T, dir, other string) {
			must(t, os.Rename(filepath.Join(other, artifact+".tar"), filepath.Join(dir, "home.mirror.more.tar")))
		},
		"file that is none": func(t *testing.T, dir, _ string) { write(t, filepath.Join(dir, "notes"), "mine") },
		"unfinished part":   func(t *testing.T, dir, _ string) { write(t, filepath.Join(dir, ".x.tar.partial"), "half") },
	} {
		t.Run(name, func(t *testing.T) {
			a := small(t, "none", id, "some text")
			dump := filepath.Join(t.TempDir(), "dump")
			write(t, filepath.Join(dump, "toc.dat"), "another dump")
			b := open(t, t.TempDir(), func(c *Config) { c.Compression = "none" })
			store(t, b, map[string]string{artifact: dump, "home.mirror.more": dump})
			must(t, os.Remove(manifestPath(a, id)))
			damage(t, filepath.Join(a.cfg.Destination, string(id)), filepath.Join(b.cfg.Destination, string(id)))
			if made, findings, err := a.Rebuild(t.Context()); err != nil || len(made) > 0 || len(findings) != 1 {
				t.Errorf("made %v, findings %v, error %v", made, findings, err)
			}
			if _, err := os.Lstat(manifestPath(a, id)); err == nil {
				t.Error("there is a manifest")
			}
		})
	}
}

// TestRebuildLeavesAloneWhatIsBeingStored: its manifest is not lost, but to come.
func TestRebuildLeavesAloneWhatIsBeingStored(t *testing.T) {
	a := small(t, "none", id, "some text")
	must(t, os.Remove(manifestPath(a, id)))
	_, err := a.place.Claim(t.Context(), id, "somebody")
	must(t, err)
	if list, findings, err := a.List(t.Context()); err != nil || len(list) > 0 || len(findings) > 0 {
		t.Errorf("list %v, findings %v, error %v", list, findings, err)
	}
	if made, findings, err := a.Rebuild(t.Context()); err != nil || len(made) > 0 || len(findings) > 0 {
		t.Errorf("made %v, findings %v, error %v", made, findings, err)
	}
}
