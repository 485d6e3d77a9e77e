package filemeta_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"bkp/internal/filemeta"
)

func openDir(t *testing.T, path string) *os.File {
	t.Helper()
	d, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestApplyAtKeepsModeAndNanoseconds(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems keep less; see the package comment")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "x")
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	when := time.Date(2031, 2, 3, 4, 5, 6, 123456789, time.UTC)
	for name, mode := range map[string]fs.FileMode{
		"a": 0o644 | fs.ModeSetuid | fs.ModeSetgid,
		"d": fs.ModeDir | 0o755 | fs.ModeSticky,
	} {
		want, err := filemeta.Read(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want.Mode, want.ModTime = mode, when
		lost, err := filemeta.ApplyAt(openDir(t, dir), name, want)
		if err != nil || lost != 0 {
			t.Fatalf("%s: lost %v, %v", name, lost, err)
		}
		got, err := filemeta.Read(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got.Mode != mode || !got.ModTime.Equal(when) {
			t.Errorf("%s: mode %v, time %v; want %v, %v", name, got.Mode, got.ModTime, mode, when)
		}
	}
}

func TestApplyAtNeverFollowsASymlink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege on windows")
	}
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	write(t, outside, "x")
	before, err := filemeta.Read(outside)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, dir)
	when := time.Date(2001, 1, 1, 0, 0, 0, 5, time.UTC)

	// As what it is, a link gets its own time.
	link, err := filemeta.ReadAt(d, "link")
	if err != nil {
		t.Fatal(err)
	}
	link.ModTime = when
	if _, err := filemeta.ApplyAt(d, "link", link); err != nil {
		t.Fatal(err)
	}
	if got, _ := filemeta.Stat(filepath.Join(dir, "link")); !got.ModTime.Equal(when) {
		t.Errorf("the link's time is %v, want %v", got.ModTime, when)
	}
	// Taken for a file, it is refused.
	if _, err := filemeta.ApplyAt(d, "link", filemeta.Meta{Mode: 0o777, ModTime: when}); err == nil {
		t.Error("a symbolic link passed for a file")
	}
	// Taken for a device, the target stays as it was.
	_, _ = filemeta.ApplyAt(d, "link", filemeta.Meta{Mode: fs.ModeNamedPipe | 0o777, ModTime: when})
	after, err := filemeta.Read(outside)
	if err != nil {
		t.Fatal(err)
	}
	if after.Mode != before.Mode || !after.ModTime.Equal(before.ModTime) {
		t.Errorf("the link's target changed: %+v, was %+v", after, before)
	}
}

func TestNamesThatLeaveTheFolderAreRefused(t *testing.T) {
	d := openDir(t, t.TempDir())
	for _, name := range []string{"", "..", "a/b", "../x", "/etc/passwd"} {
		if _, err := filemeta.StatAt(d, name); err == nil || os.IsNotExist(err) {
			t.Errorf("StatAt(%q) = %v, want a refusal", name, err)
		}
		if _, err := filemeta.ApplyAt(d, name, filemeta.Meta{Mode: 0o600}); err == nil || os.IsNotExist(err) {
			t.Errorf("ApplyAt(%q) = %v, want a refusal", name, err)
		}
	}
}

func TestIdentityOfHardLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows does not report identities")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "x")
	write(t, filepath.Join(dir, "c"), "x")
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	var m [3]filemeta.Meta
	for i, name := range []string{"a", "b", "c"} {
		var err error
		if m[i], err = filemeta.Stat(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if m[0].ID != m[1].ID || m[0].Links != 2 {
		t.Errorf("two names of one file: %+v, %+v", m[0], m[1])
	}
	if m[0].ID == m[2].ID || m[2].Links != 1 {
		t.Errorf("another file: %+v, %+v", m[0], m[2])
	}
	if m[0].ChangeTime.IsZero() {
		t.Error("no change time")
	}
}
