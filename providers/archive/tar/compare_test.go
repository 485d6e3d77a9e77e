//go:build unix

package tar

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bkp/providers"
)

// memory is a record of a tree as it was, by folder.
type memory map[string][]providers.Recorded

func (m memory) Folder(name string) ([]providers.Recorded, bool, error) {
	entries, ok := m[name]
	if ok && entries == nil {
		return nil, false, errors.New("torn")
	}
	return entries, ok, nil
}

func (memory) Intact(context.Context) error { return nil }

func (memory) Close() error { return nil }

// lost is a record of a tree that went away while it was read.
type lost struct{ memory }

func (lost) Intact(context.Context) error {
	return &providers.DamageError{Address: artifact, Cause: errOverflow}
}

var errOverflow = errors.New("snapshot overflowed")

// TestATreeThatWentAwayIsNotStored: an overflow is the reason, and what it did to
// the reading is not.
func TestATreeThatWentAwayIsNotStored(t *testing.T) {
	for name, fault := range map[string]func(string) error{"unnoticed": nil, "read error": failing("large", syscall.EIO), "files gone": failing("large", fs.ErrNotExist)} {
		t.Run(name, func(t *testing.T) {
			tree := home(t)
			a := open(t, t.TempDir(), nil)
			a.fault = fault
			_, err := a.Store(t.Context(), manifest(map[string]string{artifact: tree}), providers.Records{artifact: lost{}})
			if !errors.Is(err, errOverflow) || strings.Contains(err.Error(), "large") {
				t.Errorf("got %v", err)
			}
			if list, _, err := a.List(t.Context()); err != nil || len(list) > 0 {
				t.Errorf("listed: %v, %v", list, err)
			}
		})
	}
}

func remembered(t *testing.T, tree string) memory {
	t.Helper()
	m := memory{}
	must(t, filepath.WalkDir(tree, func(at string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(tree, at)
		name := strings.TrimPrefix(rel, ".")
		m[name] = []providers.Recorded{}
		there, err := os.ReadDir(at)
		for _, e := range there {
			one := providers.Recorded{Name: e.Name(), Type: e.Type()}
			var content []byte
			switch {
			case e.Type().IsRegular():
				content, err = os.ReadFile(filepath.Join(at, e.Name()))
			case e.Type() == fs.ModeSymlink:
				var target string
				target, err = os.Readlink(filepath.Join(at, e.Name()))
				content = []byte(target)
			}
			one.Sum, one.Summed = providers.Sum(content), e.Type() == 0 || e.Type() == fs.ModeSymlink
			m[name] = append(m[name], one)
		}
		return err
	}))
	return m
}

// flipIn changes one byte of a file and leaves its time.
func flipIn(t *testing.T, path string) {
	t.Helper()
	before, err := os.Stat(path)
	must(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, before.Size()/2)
	b[0] ^= 1
	_, werr := f.WriteAt(b, before.Size()/2)
	must(t, err, werr, f.Close(), os.Chtimes(path, before.ModTime(), before.ModTime()))
}

func TestATreeAsRecordedIsStored(t *testing.T) {
	tree := home(t)
	a := open(t, t.TempDir(), nil)
	_, err := a.Store(t.Context(), manifest(map[string]string{artifact: tree}), providers.Records{artifact: remembered(t, tree)})
	must(t, err)
	if bad, err := a.Verify(t.Context(), id); err != nil || len(bad) > 0 {
		t.Errorf("%v, %v", bad, err)
	}
	out := t.TempDir()
	_, err = a.Fetch(t.Context(), id, into(out))
	must(t, err)
}

func TestWhatDiffersFromTheRecordIsNotStored(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, tree string)
		fault  func(name string) error
		want   []string
		folder string
	}{
		"byte of a small file": {damage: func(t *testing.T, tree string) { flipIn(t, filepath.Join(tree, "a/inside")) }, want: []string{`"a/inside" has other content`}, folder: "a"},
		"byte of a large file": {damage: func(t *testing.T, tree string) { flipIn(t, filepath.Join(tree, "large")) }, want: []string{`"large" has other content`}},
		"byte in a hole":       {damage: func(t *testing.T, tree string) { flipIn(t, filepath.Join(tree, "sparse")) }, want: []string{`"sparse" has other content`}},
		"shorter file":         {damage: func(t *testing.T, tree string) { must(t, os.Truncate(filepath.Join(tree, "large"), 9)) }, want: []string{`"large" has other content`}},
		"file removed":         {damage: func(t *testing.T, tree string) { must(t, os.Remove(filepath.Join(tree, "script"))) }, want: []string{`"script" is gone`}},
		"last file removed":    {damage: func(t *testing.T, tree string) { must(t, os.Remove(filepath.Join(tree, "a/inside"))) }, want: []string{`"a/inside" is gone`}, folder: "a"},
		"folder removed":       {damage: func(t *testing.T, tree string) { must(t, os.RemoveAll(filepath.Join(tree, "data"))) }, want: []string{`"data" is gone`}},
		"file added":           {damage: func(t *testing.T, tree string) { write(t, filepath.Join(tree, "a/new"), "") }, want: []string{`"a/new" was added`}, folder: "a"},
		"folder added":         {damage: func(t *testing.T, tree string) { write(t, filepath.Join(tree, "new/file"), "") }, want: []string{`"new" was added`}},
		"folder in the place of a file": {damage: func(t *testing.T, tree string) {
			must(t, os.Remove(filepath.Join(tree, "script")), os.Mkdir(filepath.Join(tree, "script"), 0o700))
		}, want: []string{`"script" is something else now`}},
		"link leads elsewhere": {damage: func(t *testing.T, tree string) {
			must(t, os.Remove(filepath.Join(tree, "link")), os.Symlink("large", filepath.Join(tree, "link")))
		}, want: []string{`"link" has other content`}},
		"hard link to another file": {damage: func(t *testing.T, tree string) {
			at := filepath.Join(tree, "z hard link")
			must(t, os.Remove(at), os.Link(filepath.Join(tree, "large"), at))
		}, want: []string{`"z hard link" has other content`}},
		"small file cannot be read": {fault: failing("a/inside", syscall.EIO), want: []string{`"a/inside" cannot be read (input/output error)`}, folder: "a"},
		"large file cannot be read": {fault: failing("large", syscall.EIO), want: []string{`"large" cannot be read (input/output error)`}},
		"several": {damage: func(t *testing.T, tree string) {
			flipIn(t, filepath.Join(tree, "a.txt"))
			must(t, os.Remove(filepath.Join(tree, "script")))
		}, fault: failing("large", syscall.EIO), want: []string{`"a.txt" has other content`, `"large" cannot be read`, `"script" is gone`, `"z hard link" has other content`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree := home(t)
			record := remembered(t, tree)
			if c.damage != nil {
				c.damage(t, tree)
			}
			a := open(t, t.TempDir(), nil)
			a.fault = c.fault
			_, err := a.Store(t.Context(), manifest(map[string]string{artifact: tree}), providers.Records{artifact: record})
			var damage *providers.DamageError
			if !errors.As(err, &damage) {
				t.Fatalf("got %v", err)
			}
			slices.Sort(damage.Found)
			if damage.Count != len(c.want) || damage.Address != artifact {
				t.Errorf("found %q", damage.Found)
			}
			for i, want := range c.want {
				if i < len(damage.Found) && !strings.HasPrefix(damage.Found[i], want) {
					t.Errorf("found %q, want %q", damage.Found[i], want)
				}
			}
			if !slices.Equal(damage.Folders, []string{c.folder}) {
				t.Errorf("folders %q, want %q", damage.Folders, c.folder)
			}
			if left, _ := os.ReadDir(a.cfg.Destination); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// failing makes one file of a tree unreadable.
func failing(name string, err error) func(string) error {
	return func(n string) error {
		if n == name {
			return &fs.PathError{Op: "read", Path: name, Err: err}
		}
		return nil
	}
}

func TestADamagedRecordIsDamage(t *testing.T) {
	tree := home(t)
	record := remembered(t, tree)
	record["a"] = nil
	var damage *providers.DamageError
	_, err := open(t, t.TempDir(), nil).Store(t.Context(), manifest(map[string]string{artifact: tree}), providers.Records{artifact: record})
	if !errors.As(err, &damage) || !slices.Equal(damage.Folders, []string{"a"}) {
		t.Errorf("got %v", err)
	}
}

// What keeps a file from being read, but is no damage, can be resumed, and so
// can all without a record.
func TestOtherErrorsAreNoDamage(t *testing.T) {
	tree := home(t)
	for name, c := range map[string]struct {
		err     error
		records providers.Records
	}{
		"too many open files": {syscall.EMFILE, providers.Records{artifact: remembered(t, tree)}},
		"no record":           {syscall.EIO, nil},
	} {
		a := open(t, t.TempDir(), nil)
		a.fault = failing("large", c.err)
		var damage *providers.DamageError
		_, err := a.Store(t.Context(), manifest(map[string]string{artifact: tree}), c.records)
		if !errors.Is(err, c.err) || errors.As(err, &damage) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A folder without a record is stored as it is.
func TestUnknownFolderIsStored(t *testing.T) {
	tree := home(t)
	record := remembered(t, tree)
	delete(record, "a")
	write(t, filepath.Join(tree, "a/new"), "")
	_, err := open(t, t.TempDir(), nil).Store(t.Context(), manifest(map[string]string{artifact: tree}), providers.Records{artifact: record})
	must(t, err)
}
