//go:build unix

package treesync_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers/home/internal/treesync"
)

// disturb calls what once, when the pass comes to op on path.
func disturb(op, path string, what func() error) func(string, string) error {
	done := false
	return func(o, p string) error {
		if done || o != op || p != path {
			return nil
		}
		done = true
		return what()
	}
}

func (r rig) appendTo(rel string) func() error {
	return func() error {
		f, err := os.OpenFile(filepath.Join(r.src, rel), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if _, err := f.WriteString("more"); err != nil {
			return err
		}
		return f.Close()
	}
}

func TestChangeUnderThePass(t *testing.T) {
	cases := map[string]struct {
		path, op string
		strict   bool
		what     func(r rig, path string) func() error
		fails    bool
	}{
		"live, written to":         {"data/file", "open", false, func(r rig, p string) func() error { return r.appendTo(p) }, false},
		"strict, written to":       {"data/file", "open", true, func(r rig, p string) func() error { return r.appendTo(p) }, true},
		"strict, written to later": {"data/file", "apply", true, func(r rig, p string) func() error { return r.appendTo(p) }, false},
		"live, gone":               {"data/file", "open", false, unlink, false},
		"strict, gone":             {"data/file", "open", true, unlink, true},
		"live, gone before":        {"data/file", "stat", false, unlink, false},
		"strict, gone before":      {"data/file", "stat", true, unlink, true},
		"live, folder gone":        {"data/sub", "opendir", false, unlink, false},
		"strict, folder gone":      {"data/sub", "opendir", true, unlink, true},
		"strict, log written to":   {"log/app.log", "open", true, func(r rig, p string) func() error { return r.appendTo(p) }, false},
		"strict, log gone":         {"log/app.log", "open", true, unlink, false},
		"strict, log gone before":  {"log/app.log", "stat", true, unlink, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for _, rel := range []string{"data/file", "data/sub/file", "log/app.log"} {
				r.write(t, rel, "content")
			}
			o := r.options()
			o.Strict, o.Volatile, o.Workers = c.strict, []string{"log"}, 1
			o.Fault = disturb(c.op, c.path, c.what(r, c.path))
			_, err := treesync.Sync(t.Context(), o)
			if (err != nil) != c.fails {
				t.Fatal(err)
			}
			if err != nil && problem.Remedy(err) == "" {
				t.Errorf("no remedy: %v", err)
			}
			r.sync(t, r.options())
			r.same(t)
		})
	}
}

func unlink(r rig, path string) func() error {
	return func() error { return os.RemoveAll(filepath.Join(r.src, path)) }
}

// A rewrite of the same size with its mtime set back shows in the ctime alone.
func TestSecretRewriteIsNoticed(t *testing.T) {
	r := newRig(t)
	r.write(t, "file", "before")
	long := time.Date(2020, 1, 2, 3, 4, 5, 678, time.UTC)
	path := filepath.Join(r.src, "file")
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	r.sync(t, r.options())
	if err := os.WriteFile(path, []byte("after!"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	r.sync(t, r.options())
	r.same(t)
}

// With a true clock, what changed just before a pass is looked at again in the
// next one even if its stat is the same: here the index is of another content.
func TestYoungEntriesAreLookedAtAgain(t *testing.T) {
	r := newRig(t)
	r.write(t, "file", "before")
	o := r.options()
	o.Now = time.Now
	r.sync(t, o)
	// A change within the clock's tick looks the same as a copy that differs.
	r.write(t, "../copy/file", "ERROR!")
	r.sync(t, o)
	r.same(t)
}

// TestATerabyteOfHoles is copied in no time, and takes none of the copy's disk.
func TestATerabyteOfHoles(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(r.src, "large")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	const terabyte = 1 << 40
	if err := f.Truncate(terabyte); err != nil {
		t.Skip("the file system takes no such file: ", err)
	}
	at := map[int64]string{0: "first", terabyte / 2: "middle", terabyte - 4: "last"}
	for offset, text := range at {
		if _, err := f.WriteAt([]byte(text), offset); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r.sync(t, r.options())
	got, err := os.Open(filepath.Join(r.dst, "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Close() }()
	fi, err := got.Stat()
	if err != nil || fi.Size() != terabyte {
		t.Fatalf("%v, %v", fi, err)
	}
	if used := filemeta.FromInfo(fi).Allocated; used > 64<<20 {
		t.Errorf("the copy takes %d bytes", used)
	}
	for offset, want := range at {
		text := make([]byte, len(want))
		if _, err := got.ReadAt(text, offset); err != nil || string(text) != want {
			t.Errorf("at %d: %q, %v", offset, text, err)
		}
	}
}
