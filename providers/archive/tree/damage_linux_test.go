package tree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bkp/internal/lab/loopfs"
	"bkp/providers"
	"bkp/providers/providertest"
)

// memory is a record of a tree as it was, by folder.
type memory map[string][]providers.Recorded

func (m memory) Folder(name string) ([]providers.Recorded, bool, error) {
	entries, ok := m[name]
	return entries, ok, nil
}

func (memory) Intact(context.Context) error { return nil }

func (memory) Close() error { return nil }

// overflowed is a record of a snapshot that is not good any more.
type overflowed struct{ memory }

func (overflowed) Intact(context.Context) error {
	return &providers.DamageError{Address: artifact, Cause: errOverflow}
}

var errOverflow = errors.New("snapshot overflowed")

func remembered(t *testing.T, tree string) memory {
	t.Helper()
	m := memory{}
	must(t, filepath.WalkDir(tree, func(at string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(tree, at)
		must(t, err)
		entries, err := os.ReadDir(at)
		must(t, err)
		all := []providers.Recorded{}
		for _, e := range entries {
			r := providers.Recorded{Name: e.Name(), Type: e.Type()}
			switch e.Type() {
			case 0:
				data, err := os.ReadFile(filepath.Join(at, e.Name()))
				must(t, err)
				r.Sum, r.Summed = providers.Sum(data), true
			case fs.ModeSymlink:
				to, err := os.Readlink(filepath.Join(at, e.Name()))
				must(t, err)
				r.Sum, r.Summed = providers.Sum([]byte(to)), true
			default: // has no content
			}
			all = append(all, r)
		}
		slices.SortFunc(all, func(a, b providers.Recorded) int { return strings.Compare(a.Name, b.Name) })
		m[strings.TrimPrefix(rel, ".")] = all
		return nil
	}))
	return m
}

// TestADamagedWorkingCopyIsNotStored: what differs from its record becomes no backup.
func TestADamagedWorkingCopyIsNotStored(t *testing.T) {
	at := loopfs.Mount(t, "xfs")
	for name, c := range map[string]struct {
		damage func(t *testing.T, tree string)
		fault  func(string) error
		want   string
		folder string
	}{
		"byte":          {damage: func(t *testing.T, tree string) { write(t, filepath.Join(tree, "a/inside"), "something else") }, want: `"a/inside" has other content`, folder: "a"},
		"hard link":     {damage: func(t *testing.T, tree string) { write(t, filepath.Join(tree, "a.txt"), "other") }, want: `"z hard link" has other content`},
		"file removed":  {damage: func(t *testing.T, tree string) { must(t, os.Remove(filepath.Join(tree, "script"))) }, want: `"script" is gone`},
		"file added":    {damage: func(t *testing.T, tree string) { write(t, filepath.Join(tree, "a/more"), "") }, want: `"a/more" was added`, folder: "a"},
		"other target":  {damage: func(t *testing.T, tree string) { relink(t, filepath.Join(tree, "link")) }, want: `"link" has other content`},
		"bad sector":    {fault: failing("large", syscall.EIO), want: `"large" cannot be read`},
		"torn metadata": {fault: failing("a/inside", syscall.EUCLEAN), want: `cannot be read`, folder: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp(at, "damaged")
			must(t, err)
			tree := filepath.Join(dir, "home")
			home(t, tree)
			r := remembered(t, tree)
			a := open(t, filepath.Join(dir, "trees"), nil)
			if c.damage != nil {
				c.damage(t, tree)
			}
			a.fault = c.fault
			m := manifest(map[string]string{artifact: tree})
			_, err = a.Store(t.Context(), m, providers.Records{artifact: r})
			var d *providers.DamageError
			if !errors.As(err, &d) || !strings.Contains(d.Error(), c.want) || !slices.Contains(d.Folders, c.folder) {
				t.Fatalf("got %v", err)
			}
			if left, err := os.ReadDir(filepath.Join(dir, "trees")); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

func relink(t *testing.T, path string) {
	t.Helper()
	must(t, os.Remove(path), os.Symlink("elsewhere", path))
}

func failing(name string, err error) func(string) error {
	return func(n string) error {
		if n == name {
			return &fs.PathError{Op: "read", Path: n, Err: err}
		}
		return nil
	}
}

func TestATreeAsRecordedIsStored(t *testing.T) {
	tree, destination := disk(t, "btrfs")
	a := open(t, destination, nil)
	_, err := a.Store(t.Context(), manifest(map[string]string{artifact: tree}), providers.Records{artifact: remembered(t, tree)})
	must(t, err)
	whole(t, a, id)
}

// TestATreeThatWentAwayIsNotStored: an overflow is the reason, and what it did to the
// reading is not.
func TestATreeThatWentAwayIsNotStored(t *testing.T) {
	tree, destination := disk(t, "xfs")
	for name, fault := range map[string]func(string) error{"unnoticed": nil, "files gone": failing("large", fs.ErrNotExist)} {
		t.Run(name, func(t *testing.T) {
			a := open(t, destination, nil)
			a.fault = fault
			_, err := a.Store(t.Context(), manifest(map[string]string{artifact: tree}), providers.Records{artifact: overflowed{}})
			if !errors.Is(err, errOverflow) || strings.Contains(err.Error(), "large") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestATreeThatWasExchanged with its index is not what the manifest says.
func TestATreeThatWasExchanged(t *testing.T) {
	tree, destination := disk(t, "xfs")
	a, other := open(t, destination, nil), open(t, filepath.Join(filepath.Dir(tree), "other"), nil)
	stores(t, a, manifest(map[string]string{artifact: tree}))
	write(t, filepath.Join(tree, "script"), "#!/bin/no\n") // as long as it was
	stores(t, other, manifest(map[string]string{artifact: tree}))
	whole(t, other, id)
	for _, name := range []string{artifact, artifact + indexSuffix} {
		mine, theirs := filepath.Join(destination, string(id), name), filepath.Join(filepath.Dir(tree), "other", string(id), name)
		must(t, os.RemoveAll(mine), os.Rename(theirs, mine))
	}
	bad, err := a.Verify(t.Context(), id)
	if err != nil || len(bad) != 1 || bad[0].Summary != indexDamaged {
		t.Errorf("found %v, %v", bad, err)
	}
	if _, err := a.Fetch(t.Context(), id, func(providers.Artifact) string { return filepath.Join(t.TempDir(), "to") }); err == nil {
		t.Error("it was unpacked")
	}
}

// TestByHand runs what is printed for a restore without bkp.
func TestByHand(t *testing.T) {
	tree, destination := disk(t, "xfs")
	a := open(t, destination, nil)
	m := manifest(map[string]string{artifact: tree})
	stored, err := a.Store(t.Context(), m, nil)
	must(t, err)
	commands, _ := a.ByHand(m.With(stored))
	cmd := exec.Command("bash", "-e", "-c", strings.Join(commands, "\n"))
	cmd.Env = append(os.Environ(), "work="+filepath.Join(filepath.Dir(tree), "work"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	providertest.SameTrees(t, providertest.Tree(t, tree), providertest.Tree(t, filepath.Join(filepath.Dir(tree), "work", string(id), artifact)), nil)
}
