package tar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
)

func TestRoundTrip(t *testing.T) {
	for _, compression := range []string{"zstd", "gzip", "none"} {
		t.Run(compression, func(t *testing.T) {
			tree, dump := home(t), filepath.Join(t.TempDir(), "dump")
			write(t, filepath.Join(dump, "toc.dat"), "dump")
			trees := map[string]string{"home.mirror.shared": tree, `database.postgresql.main["a/b"]`: dump, "database.none.x": ""}
			a := open(t, filepath.Join(t.TempDir(), "new", "archives"), func(c *Config) { c.Compression = compression })
			m := store(t, a, trees)

			if got := m.Stored[0].Location; filepath.Dir(got) != a.cfg.Destination || m.Stored[0].Size() == 0 || len(m.Stored[0].Parts) != 2 {
				t.Errorf("stored %+v", m.Stored)
			}
			checkPrivate(t, a.cfg.Destination)
			list, findings, err := a.List(t.Context())
			if err != nil || len(findings) > 0 || len(list) != 1 || list[0].ID != id {
				t.Fatalf("list: %v %v %v", list, findings, err)
			}
			if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
				t.Fatalf("verify: %v %v", findings, err)
			}
			parent := tempDir(t)
			got, err := a.Fetch(t.Context(), id, into(parent))
			must(t, err)
			for _, art := range got.Artifacts {
				if trees[art.Address] == "" {
					if len(art.Trees) > 0 {
						t.Errorf("%s has a tree: %s", art.Address, art.Dir())
					}
					continue
				}
				if diff := cmp.Diff(describe(t, trees[art.Address]), describe(t, art.Dir())); diff != "" {
					t.Errorf("%s changed:\n%s", art.Address, diff)
				}
			}
			checkSparse(t, filepath.Join(parent, "home.mirror.shared", "sparse"))
		})
	}
}

func checkPrivate(t *testing.T, folder string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return
	}
	must(t, filepath.WalkDir(folder, func(path string, e fs.DirEntry, _ error) error {
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}

func checkSparse(t *testing.T, path string) {
	t.Helper()
	m, err := filemeta.Read(path)
	must(t, err)
	if runtime.GOOS == "linux" && m.Allocated > 1<<20 {
		t.Errorf("sparse file takes %d bytes", m.Allocated)
	}
}

func TestPlainTarReadsIt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs GNU tar")
	}
	for _, tool := range []string{"tar", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%v; install it with: make deps", err)
		}
	}
	tree := home(t)
	a := open(t, t.TempDir(), nil)
	m := store(t, a, map[string]string{"home.mirror.shared": tree})
	out := tempDir(t)
	cmd := exec.Command("tar", "--zstd", "--xattrs", "--same-permissions", "-xf", filepath.Join(m.Stored[0].Location, m.Stored[0].Parts["home.mirror.shared"].Objects[0].Name), "-C", out)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if diff := cmp.Diff(describe(t, tree), describe(t, filepath.Join(out, string(id), "home.mirror.shared"))); diff != "" {
		t.Errorf("tar unpacks something else:\n%s", diff)
	}
}

func TestFetchOfDamagedLeavesNothing(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "folder", "file"), "content")
	write(t, filepath.Join(tree, "no\xffutf8", "file"), "more")
	must(t, os.Chmod(filepath.Join(tree, "folder"), 0o500))
	t.Cleanup(func() { must(t, os.Chmod(filepath.Join(tree, "folder"), 0o700)) })
	for name, empty := range map[string]bool{"existing folder": true, "new folder": false} {
		t.Run(name, func(t *testing.T) {
			a := open(t, t.TempDir(), func(c *Config) { c.Compression = "none" })
			store(t, a, map[string]string{"home.mirror.shared": tree})
			object := partPath(t, a, "home.mirror.shared")
			good, err := os.ReadFile(object)
			must(t, err)
			must(t, os.WriteFile(object, bytes.Replace(good, []byte("content"), []byte("CONTENT"), 1), 0o600))
			parent := t.TempDir()
			target := filepath.Join(parent, "home.mirror.shared")
			if empty {
				must(t, os.Mkdir(target, 0o700))
			}
			_, err = a.Fetch(t.Context(), id, into(parent))
			if err == nil || problem.Remedy(err) == "" {
				t.Errorf("fetch of a damaged archive: %v", err)
			}
			if strings.Contains(err.Error(), "invalid") {
				t.Errorf("it failed to clean up: %v", err)
			}
			if got, _ := os.ReadDir(target); len(got) > 0 {
				t.Errorf("left behind: %v", got)
			}
			if _, err := os.Lstat(target); (err == nil) != empty {
				t.Errorf("the target is not as it was: %v", err)
			}
		})
	}
}

func TestFetchWantsEmptyFolder(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "file"), "new")
	a := open(t, t.TempDir(), nil)
	store(t, a, map[string]string{"home.mirror.shared": tree})
	parent := t.TempDir()
	mine := filepath.Join(parent, "home.mirror.shared", "mine")
	write(t, mine, "mine")
	if _, err := a.Fetch(t.Context(), id, into(parent)); err == nil {
		t.Error("unpacked into a folder that is not empty")
	}
	if data, err := os.ReadFile(mine); err != nil || string(data) != "mine" {
		t.Errorf("the file there: %q %v", data, err)
	}
}

func TestStoreRefusesChangingFiles(t *testing.T) {
	for name, change := range map[string]func(string) error{
		"shrinks": func(path string) error { return os.Truncate(path, 2*smallFile) },
		"grows":   func(path string) error { return os.Truncate(path, 64*chunkSize) },
		"goes":    os.Remove,
		"is rewritten, as long as before": func(path string) error {
			return os.WriteFile(path, bytes.Repeat([]byte("x"), 4*smallFile), 0o600)
		},
		"is rewritten, its time set back": func(path string) error {
			fi, err := os.Stat(path)
			must(t, err, os.WriteFile(path, bytes.Repeat([]byte("x"), 4*smallFile), 0o600))
			return os.Chtimes(path, fi.ModTime(), fi.ModTime())
		},
		"is replaced": func(path string) error {
			must(t, os.WriteFile(path+".new", make([]byte, 4*smallFile), 0o600))
			return os.Rename(path+".new", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			tree := filepath.Join(t.TempDir(), "home")
			write(t, filepath.Join(tree, "a"), "a")
			path := filepath.Join(tree, "b")
			must(t, os.WriteFile(path, make([]byte, 4*smallFile), 0o600))
			err := walk(t.Context(), reading{tree: tree, hidden: providers.Rules(nil).Matcher()}, func(it *item) error {
				if it.name != "b" {
					return nil
				}
				must(t, change(path)) // its size has been read by now
				return it.copyTo(&bytes.Buffer{})
			})
			if err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestASmallFileIsNeverReadTorn rewrites it between the look at it and the
// reading, with as many bytes as before.
func TestASmallFileIsNeverReadTorn(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	must(t, err)
	defer func() { _ = root.Close() }()
	in := &holder{root: root}
	in.retain()
	must(t, root.WriteFile("f", []byte("before"), 0o600))
	it := newItem(in, "f", "f", 0)
	must(t, it.read())
	// A change just after the look would have the same time as one just before.
	if age := time.Since(it.meta.ChangeTime); age < tick {
		t.Errorf("it was read %s after it was written", age)
	}
	f, err := root.Open("f")
	must(t, err)
	defer func() { _ = f.Close() }()
	must(t, it.content(f), root.WriteFile("f", []byte("after!"), 0o600))
	_, err = f.Seek(0, 0)
	must(t, err)
	if err := it.content(f); err == nil || problem.Remedy(err) == "" {
		t.Errorf("read %q: %v", it.data, err)
	}
}

// TestAPathLongerThanTheSystemTakes goes through archive and back.
func TestAPathLongerThanTheSystemTakes(t *testing.T) {
	tree := t.TempDir()
	root, err := os.OpenRoot(tree)
	must(t, err)
	defer func() { _ = root.Close() }()
	var parts []string
	for range 20 { // 20 times 250 bytes
		parts = append(parts, strings.Repeat("d", 250))
	}
	deep := strings.Join(parts, "/")
	must(t, root.MkdirAll(deep, 0o700), root.WriteFile(deep+"/file", []byte("deep"), 0o600),
		root.WriteFile(deep+"/large", bytes.Repeat([]byte("L"), 2*smallFile), 0o600), root.Symlink("nowhere", deep+"/link"))
	a := open(t, t.TempDir(), nil)
	store(t, a, map[string]string{"home.mirror.shared": tree})
	if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
		t.Errorf("verify: %v %v", findings, err)
	}
	parent := t.TempDir()
	_, err = a.Fetch(t.Context(), id, into(parent))
	must(t, err)
	back, err := os.OpenRoot(filepath.Join(parent, "home.mirror.shared"))
	must(t, err)
	defer func() { _ = back.Close() }()
	data, err := back.ReadFile(deep + "/file")
	large, err2 := back.ReadFile(deep + "/large")
	link, err3 := back.Readlink(deep + "/link")
	must(t, err, err2, err3)
	if string(data) != "deep" || len(large) != 2*smallFile || link != "nowhere" {
		t.Errorf("came back as %q, %d bytes, %q", data, len(large), link)
	}
}

func TestStoreFailureLeavesNothing(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "file"), "content")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		tree string
	}{
		"cancelled":    {ctx, tree},
		"missing tree": {t.Context(), filepath.Join(tree, "missing")},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, t.TempDir(), nil)
			if _, err := a.Store(c.ctx, manifest(map[string]string{"home.mirror.shared": c.tree}), nil); err == nil {
				t.Error("no error")
			}
			if got, _ := os.ReadDir(a.cfg.Destination); len(got) > 0 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAFullDiskIsToldOfOnce(t *testing.T) {
	tree := t.TempDir()
	for i := range 3 {
		write(t, filepath.Join(tree, fmt.Sprint(i)), strings.Repeat("x", 2*chunkSize))
	}
	for _, compression := range []string{"zstd", "gzip", "none"} {
		a := open(t, t.TempDir(), func(c *Config) { c.Compression = compression })
		m := manifest(map[string]string{"home.mirror.a": tree})
		_, err := a.write(t.Context(), full{}, record{Manifest: document.Inner(m), Address: "home.mirror.a"}, m.Artifacts[0], nil, shelf.ProgressOf(a.env, m))
		if err == nil || strings.Count(err.Error(), "no space left") != 1 {
			t.Errorf("%s: %v", compression, err)
		}
	}
}

func TestListDeleteDiscard(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "file"), "content")
	a := open(t, t.TempDir(), nil)
	later := providers.BackupID("prod-20261123T000000Z")
	for _, b := range []providers.BackupID{id, later} {
		m := manifest(map[string]string{"home.mirror.shared": tree})
		m.ID = b
		_, err := a.Store(t.Context(), m, nil)
		must(t, err)
	}
	write(t, filepath.Join(a.cfg.Destination, "notes.txt"), "foreign")
	write(t, filepath.Join(a.cfg.Destination, "other", shelf.ManifestObject), "foreign")
	interrupted := providers.BackupID("prod-20261124T000000Z")
	write(t, filepath.Join(a.cfg.Destination, string(interrupted), ".home.mirror.shared.tar.zst.partial"), "half")
	write(t, filepath.Join(a.cfg.Destination, string(interrupted), "database.x.y.tar.zst"), "without a manifest")

	list, findings, err := a.List(t.Context())
	if err != nil || len(list) != 2 || list[0].ID != later {
		t.Fatalf("list: %v %v", list, err)
	}
	if len(findings) != 1 || !strings.Contains(findings[0].Detail, string(interrupted)) {
		t.Fatalf("findings %v", findings)
	}
	for range 2 {
		must(t, a.Discard(t.Context(), interrupted), a.Discard(t.Context(), later), a.Delete(t.Context(), id))
	}
	want := []string{"notes.txt", "other/manifest.json", string(later) + "/home.mirror.shared.tar.zst", string(later) + "/manifest.json"}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(files(t, a)))); diff != "" {
		t.Error(diff)
	}
	must(t, os.WriteFile(manifestPath(a, later), []byte("{}"), 0o600))
	if list, findings, err := a.List(t.Context()); err != nil || len(list) != 0 || len(findings) != 1 {
		t.Errorf("damaged manifest: %v %v %v", list, findings, err)
	}
	for _, bad := range []providers.BackupID{"", "../x", "x/../../prod-20261122T214431Z"} {
		if a.Delete(t.Context(), bad) == nil || a.Discard(t.Context(), bad) == nil {
			t.Errorf("%q passes for an id", bad)
		}
	}
}

func TestCheck(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "file"), "content")
	estimate := providers.Estimate{Files: 2, Bytes: 10 << 30}
	check := func(a *archive) providers.Report {
		t.Helper()
		r, err := a.Check(t.Context(), estimate)
		must(t, err)
		return r
	}
	missing := filepath.Join(t.TempDir(), "not", "yet")
	a := open(t, missing, nil)
	if r := check(a); len(r.Findings) > 0 || len(r.Space) != 1 || r.Space[0].Bytes < estimate.Bytes {
		t.Errorf("first backup: %+v", r)
	}
	if _, err := os.Lstat(filepath.Dir(missing)); err == nil {
		t.Error("the check made a folder")
	}
	store(t, a, map[string]string{"home.mirror.shared": tree})
	if r := check(a); len(r.Findings) > 0 || r.Space[0].Bytes > 2*spaceMargin {
		t.Errorf("second backup: %+v", r)
	}
	if r := check(open(t, filepath.Join(tree, "file"), nil)); len(r.Findings) != 1 || r.Findings[0].Summary != "archive destination is not a folder" {
		t.Errorf("a file: %v", r.Findings)
	}
}

func TestCheckNotWritable(t *testing.T) {
	folder := t.TempDir()
	readOnly(t, folder)
	r, err := open(t, filepath.Join(folder, "archives"), nil).Check(t.Context(), providers.Estimate{})
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != "archive destination is not writable" || r.Findings[0].Remedy == "" {
		t.Errorf("%v %v", r.Findings, err)
	}
}

func TestStoreTwiceKeepsOne(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "file"), "content")
	destination := t.TempDir()
	store(t, open(t, destination, func(c *Config) { c.Compression = "gzip" }), map[string]string{"home.mirror.shared": tree})
	a := open(t, destination, nil)
	store(t, a, map[string]string{"home.mirror.shared": tree})
	if there := files(t, a); len(there) != 2 {
		t.Errorf("destination holds %v", slices.Collect(maps.Keys(there)))
	}
	if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
		t.Errorf("verify: %v %v", findings, err)
	}
}
