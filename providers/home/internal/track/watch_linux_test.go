package track

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bkp/internal/lab/loopfs"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start watches folders; it takes root.
func start(t *testing.T, roots ...string) *Watch {
	t.Helper()
	w, err := Start(roots)
	if os.Geteuid() != 0 {
		var unfit *UnfitError
		if !errors.As(err, &unfit) || !unfit.Root {
			t.Errorf("without root: %v", err)
		}
		t.Skip("only root can watch a file system; run the tests as root")
	}
	must(t, err)
	t.Cleanup(func() { must(t, w.Close()) })
	return w
}

func take(t *testing.T, w *Watch) []Changes {
	t.Helper()
	c, _, err := w.Take()
	must(t, err)
	return c
}

// reported flattens changes to paths, those of folders that may be others with a
// slash.
func reported(c Changes) []string {
	var out []string
	for folder, names := range c {
		if len(names) == 0 {
			out = append(out, folder+"/.")
		}
		for name, deep := range names {
			path := filepath.Join(folder, name)
			if deep {
				path += "/"
			}
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

func write(t *testing.T, path string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte("x"), 0o600))
}

func TestTakeReportsWhatChangedSinceTheLastOne(t *testing.T) {
	dir := t.TempDir()
	root, other := filepath.Join(dir, "root"), filepath.Join(dir, "other")
	must(t, os.MkdirAll(filepath.Join(root, "a", "b"), 0o755))
	must(t, os.MkdirAll(filepath.Join(root, "quiet"), 0o755))
	must(t, os.MkdirAll(other, 0o755))
	write(t, filepath.Join(root, "a", "old"))
	w := start(t, root)
	if got := reported(take(t, w)[0]); len(got) > 0 {
		t.Errorf("reported %q before anything changed", got)
	}
	steps := []struct {
		name string
		do   func() error
		want []string
	}{
		{"create", func() error { return os.WriteFile(filepath.Join(root, "a", "b", "f"), nil, 0o600) }, []string{"a/b/f"}},
		{"rewrite", func() error { return os.WriteFile(filepath.Join(root, "a", "old"), []byte("y"), 0o600) }, []string{"a/old"}},
		{"mode", func() error { return os.Chmod(filepath.Join(root, "a", "old"), 0o640) }, []string{"a/old"}},
		{"truncate", func() error { return os.Truncate(filepath.Join(root, "a", "old"), 0) }, []string{"a/old"}},
		{"attribute", func() error { return syscall.Setxattr(filepath.Join(root, "a", "old"), "user.x", []byte("1"), 0) }, []string{"a/old"}},
		{"rename", func() error { return os.Rename(filepath.Join(root, "a", "old"), filepath.Join(root, "a", "b", "new")) }, []string{"a/b/new", "a/old"}},
		{"delete", func() error { return os.Remove(filepath.Join(root, "a", "b", "new")) }, []string{"a/b/new"}},
		{"rename a folder", func() error { return os.Rename(filepath.Join(root, "a", "b"), filepath.Join(root, "c")) }, []string{"a/b", "c/"}},
		{"write in it", func() error { return os.WriteFile(filepath.Join(root, "c", "g"), nil, 0o600) }, []string{"c/g"}},
		{"elsewhere", func() error { return os.WriteFile(filepath.Join(other, "f"), nil, 0o600) }, nil},
		{"move a folder in", func() error { return os.Rename(other, filepath.Join(root, "a", "in")) }, []string{"a/in/"}},
		{"write in that", func() error { return os.WriteFile(filepath.Join(root, "a", "in", "g"), nil, 0o600) }, []string{"a/in/g"}},
		{"make a folder", func() error { return os.Mkdir(filepath.Join(root, "new"), 0o700) }, []string{"new/"}},
		{"delete a tree", func() error { return os.RemoveAll(filepath.Join(root, "a")) }, []string{"a"}},
		{"nothing", func() error { return nil }, nil},
	}
	for _, s := range steps {
		must(t, s.do())
		if got := reported(take(t, w)[0]); !slices.Equal(got, s.want) {
			t.Errorf("%s: reported %q, want %q", s.name, got, s.want)
		}
	}
}

// TestFilesElsewhereAreNoDoubt: what others link and unlink on the same file
// system is reported only where it may be a file below a root.
func TestFilesElsewhereAreNoDoubt(t *testing.T) {
	dir := t.TempDir()
	root, other := filepath.Join(dir, "root"), filepath.Join(dir, "other")
	must(t, errors.Join(os.Mkdir(root, 0o755), os.Mkdir(other, 0o755)))
	in, out := func(name string) string { return filepath.Join(root, name) }, func(name string) string { return filepath.Join(other, name) }
	// As git makes an object: linked to its name, then the first name goes.
	finish := func(first, last string) func() error {
		return func() error {
			return errors.Join(os.WriteFile(first, nil, 0o600), os.Link(first, last), os.Remove(first))
		}
	}
	w := start(t, root)
	for _, s := range []struct {
		name    string
		do      func() error
		suspect bool
	}{
		{"elsewhere", finish(out("tmp"), out("object")), false},
		{"below the root", finish(in("tmp"), in("object")), true},
		{"out of the root", finish(in("tmp2"), out("moved")), false},
		{"into the root", finish(out("tmp3"), in("came")), true},
		{"elsewhere, with two names", func() error { return os.Link(out("object"), out("again")) }, true},
		{"a second name elsewhere", func() error { return os.Link(in("object"), out("second")) }, true},
		{"which goes again", func() error { return os.Remove(out("second")) }, true},
	} {
		must(t, s.do())
		_, files, err := w.Take()
		must(t, err)
		if (len(files) > 0) != s.suspect {
			t.Errorf("%s: reported %v", s.name, files)
		}
	}
}

// TestFolderAttributes: the folder itself, or its entry in the one above.
func TestFolderAttributes(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "a", "b"), 0o755))
	w := start(t, root)
	must(t, os.Chmod(filepath.Join(root, "a", "b"), 0o700))
	must(t, os.Chmod(root, 0o700))
	c := take(t, w)[0]
	if _, ok := c["a/b"]; !ok && !slices.Contains(reported(c), "a/b") {
		t.Errorf("reported %q", reported(c))
	}
	if _, ok := c[""]; !ok {
		t.Errorf("nothing reported about the root: %q", reported(c))
	}
}

func TestNamesOfEveryByte(t *testing.T) {
	root := t.TempDir()
	w := start(t, root)
	var want []string
	for b := 1; b < 256; b++ {
		if b == '/' || b == '.' {
			continue
		}
		name := string([]byte{byte(b)})
		write(t, filepath.Join(root, name))
		want = append(want, name)
	}
	got := slices.Sorted(maps.Keys(take(t, w)[0][""]))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("reported %q", got)
	}
}

func TestRootsOnSeveralFileSystemsAndMountsInside(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a file system can be mounted by root only; run the tests as root")
	}
	here, there := t.TempDir(), loopfs.Mount(t, "ext4")
	elsewhere := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(here, "bound", "x"), 0o755))
	must(t, os.MkdirAll(filepath.Join(here, "tmp"), 0o755))
	must(t, os.MkdirAll(filepath.Join(elsewhere, "sub"), 0o755))
	must(t, syscall.Mount(elsewhere, filepath.Join(here, "bound"), "", syscall.MS_BIND, ""))
	t.Cleanup(func() { _ = syscall.Unmount(filepath.Join(here, "bound"), 0) })
	must(t, syscall.Mount("none", filepath.Join(here, "tmp"), "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { _ = syscall.Unmount(filepath.Join(here, "tmp"), 0) })
	w := start(t, here, there)
	write(t, filepath.Join(elsewhere, "sub", "f")) // by its other path
	write(t, filepath.Join(here, "tmp", "g"))
	write(t, filepath.Join(there, "h"))
	c := take(t, w)
	if got := reported(c[0]); !slices.Equal(got, []string{"bound/sub/f", "tmp/g"}) {
		t.Errorf("reported %q in the first", got)
	}
	if got := reported(c[1]); !slices.Equal(got, []string{"h"}) {
		t.Errorf("reported %q in the second", got)
	}
}

// TestUncertaintyEndsTheWatch: whatever could have been missed is an error, and stays
// one.
func TestUncertaintyEndsTheWatch(t *testing.T) {
	cases := map[string]struct {
		do   func(t *testing.T, w *Watch, root string)
		want string
	}{
		"overflow": {func(t *testing.T, w *Watch, root string) {
			w.mu.Lock()
			w.most = 10
			w.mu.Unlock()
			for i := range 20 {
				write(t, filepath.Join(root, strings.Repeat("f", i+1)))
			}
		}, "more than 10 changes"},
		"the kernel's overflow": {func(t *testing.T, w *Watch, _ string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.note(event{mask: 0x4000}) // FAN_Q_OVERFLOW
		}, "the kernel's queue of events overflowed"},
		"another folder in its place": {func(t *testing.T, _ *Watch, root string) {
			must(t, os.Rename(root, root+"2"))
			must(t, os.Mkdir(root, 0o755))
		}, "replaced"},
		"gone": {func(t *testing.T, _ *Watch, root string) { must(t, os.Rename(root, root+"2")) }, "a folder is gone"},
		"mounted over": {func(t *testing.T, _ *Watch, root string) {
			must(t, os.Mkdir(filepath.Join(root, "m"), 0o755))
			must(t, syscall.Mount("none", filepath.Join(root, "m"), "tmpfs", 0, "size=1m"))
			t.Cleanup(func() { _ = syscall.Unmount(filepath.Join(root, "m"), 0) })
		}, "mounted"},
		"closed": {func(t *testing.T, w *Watch, _ string) { must(t, w.Close()) }, "ended"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			must(t, os.Mkdir(root, 0o755))
			w := start(t, root)
			c.do(t, w, root)
			for range 2 {
				_, _, err := w.Take()
				var unfit *UnfitError
				if !errors.As(err, &unfit) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want one about %q", err, c.want)
				}
			}
		})
	}
}

func TestWhatCannotBeWatchedIsRefused(t *testing.T) {
	for name, root := range map[string]string{"missing": filepath.Join(t.TempDir(), "x"), "not local": "/proc"} {
		w, err := Start([]string{root})
		var unfit *UnfitError
		if !errors.As(err, &unfit) {
			t.Errorf("%s: %v", name, err)
		}
		if w != nil {
			must(t, w.Close())
		}
	}
}

// FuzzParse proves that nothing that is read from the kernel is taken for more
// than it is.
func FuzzParse(f *testing.F) {
	f.Add([]byte(strings.Repeat("\x18\x00\x00\x00\x03\x00\x18\x00", 3)))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = parse(b, func(e event) {
			if e.dir != "" {
				h := e.dir.handle()
				if len(e.dir.fsid()) != fsidSize || h.Size() > len(b) {
					t.Errorf("a handle of %d bytes in %d", h.Size(), len(b))
				}
			}
		})
	})
}
