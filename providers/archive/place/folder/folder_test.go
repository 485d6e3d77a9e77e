package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bkp/internal/problem"
	"bkp/providers/archive/place"
	"bkp/providers/archive/place/placetest"
)

const id = placetest.ID

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := New(dir)
	must(t, err)
	return f
}

func put(t *testing.T, f *Folder, name, text string) {
	t.Helper()
	must(t, f.Create(t.Context(), name, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }))
}

func TestPlace(t *testing.T) {
	placetest.Run(t, func(t *testing.T) placetest.Harness {
		dir := filepath.Join(t.TempDir(), "not", "yet")
		return placetest.Harness{
			Open: func(t *testing.T) place.Place { return open(t, dir) },
			Litter: func(t *testing.T, name string) {
				path := filepath.Join(dir, filepath.FromSlash(name))
				must(t, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(partialPath(path), []byte("half"), 0o600))
			},
		}
	})
}

func TestNothingIsLeftWhereThereIsNoBackup(t *testing.T) {
	f := open(t, t.TempDir())
	name := place.Name(id, "one")
	put(t, f, name, "1")
	_, err := f.Claim(t.Context(), id, "me")
	must(t, err, f.Delete(t.Context(), name), f.Clean(t.Context(), id), f.Unclaim(t.Context(), id))
	if left, err := os.ReadDir(f.dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestOthersCannotReadIt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("has no modes")
	}
	f := open(t, filepath.Join(t.TempDir(), "new", "place"))
	put(t, f, place.Name(id, "one"), "1")
	must(t, filepath.WalkDir(f.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}

// TestWhatIsNotAFileIsNeverRead: those who may write to the folder could lead a link
// anywhere, and a FIFO would hold up its reader.
func TestWhatIsNotAFileIsNeverRead(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	must(t, os.Mkdir(outside, 0o700), os.WriteFile(filepath.Join(outside, "one"), []byte("secret"), 0o600))
	for what, plant := range map[string]func(path string) error{
		"link to a file":  func(path string) error { return os.Symlink(filepath.Join(outside, "one"), path) },
		"link to nothing": func(path string) error { return os.Symlink("nowhere", path) },
		"folder":          func(path string) error { return os.Mkdir(path, 0o700) },
		"named pipe":      makeFIFO,
		"link for all the backup": func(path string) error {
			return errors.Join(os.Remove(filepath.Dir(path)), os.Symlink(outside, filepath.Dir(path)))
		},
		"file for all the backup": func(path string) error {
			return errors.Join(os.Remove(filepath.Dir(path)), os.WriteFile(filepath.Dir(path), nil, 0o600))
		},
	} {
		t.Run(what, func(t *testing.T) {
			f, name := open(t, t.TempDir()), place.Name(id, "one")
			must(t, os.Mkdir(f.At(string(id)), 0o700))
			if err := plant(f.At(name)); errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			var p *problem.Problem
			if _, err := f.Open(t.Context(), name, 0, -1); !errors.As(err, &p) || p.Remedy == "" {
				t.Errorf("open: %v", err)
			}
			if _, err := f.Stat(t.Context(), name); !errors.As(err, &p) {
				t.Errorf("stat: %v", err)
			}
			for _, of := range []string{"", string(id)} {
				all, err := f.List(t.Context(), placetest.ID[:len(of)])
				if err != nil || len(all) != 1 || all[0].Odd == nil {
					t.Errorf("list: %+v, %v", all, err)
				}
			}
			if err := f.Create(t.Context(), name, func(io.Writer) error { return nil }); err == nil {
				t.Error("created in its place")
			}
			if got, err := os.ReadFile(filepath.Join(outside, "one")); err != nil || string(got) != "secret" {
				t.Errorf("outside is %q, %v", got, err)
			}
		})
	}
}

// TestAFolderIsShared: what others keep there is no business of a place, and one that
// cannot be read holds up none of it.
func TestAFolderIsShared(t *testing.T) {
	f := open(t, t.TempDir())
	put(t, f, place.Name(id, "one"), "1")
	must(t, os.Mkdir(filepath.Join(f.dir, "lost+found"), 0), os.WriteFile(filepath.Join(f.dir, "notes"), nil, 0o600),
		os.WriteFile(filepath.Join(f.dir, "."+string(placetest.Other)+".reserved"), nil, 0o600))
	all, err := f.List(t.Context(), "")
	if err != nil || len(all) != 1 || all[0].Odd != nil {
		t.Errorf("%+v, %v", all, err)
	}
	if by, err := f.Claimed(t.Context(), placetest.Other); err != nil || by != unknownHolder {
		t.Errorf("a claim that cannot be read is %q's: %v", by, err)
	}
}

// TestClaimWithoutLinks is that of a file system that has no symbolic links.
func TestClaimWithoutLinks(t *testing.T) {
	f := open(t, t.TempDir())
	must(t, writeNew(f.claimPath(id), "me"))
	for _, who := range []string{"me", "another"} {
		if by, err := f.Claim(t.Context(), id, who); err != nil || by != "me" {
			t.Errorf("%s claims, and it is %q's: %v", who, by, err)
		}
	}
	if err := writeNew(f.claimPath(id), "another"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	must(t, f.Unclaim(t.Context(), id))
	if by, err := f.Claimed(t.Context(), id); err != nil || by != "" {
		t.Errorf("%q, %v", by, err)
	}
}

// TestRenameIfAbsent is that of a file system that cannot refuse to replace.
func TestRenameIfAbsent(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	must(t, os.WriteFile(from, []byte("new"), 0o600), os.WriteFile(to, []byte("old"), 0o600))
	if err := renameIfAbsent(from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	must(t, os.Remove(to), renameIfAbsent(from, to))
}

func TestAFullDiskLeavesNothing(t *testing.T) {
	f := open(t, t.TempDir())
	full := errors.New("no space left on device")
	err := f.Create(t.Context(), place.Name(id, "one"), func(io.Writer) error { return full })
	if !errors.Is(err, full) || strings.Count(err.Error(), "no space left") != 1 {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(f.At(string(id))); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
