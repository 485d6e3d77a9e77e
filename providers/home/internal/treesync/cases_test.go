//go:build unix

package treesync_test

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bkp/internal/problem"
	"bkp/providers/home/internal/treesync"
	"bkp/providers/providertest"
)

func (r rig) write(t *testing.T, rel, content string) string {
	t.Helper()
	path := filepath.Join(r.src, rel)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// opened counts the files that a pass opens.
func (r rig) opened(t *testing.T, o treesync.Options) int64 {
	t.Helper()
	var n atomic.Int64
	o.Fault = func(op, _ string) error {
		if op == "open" {
			n.Add(1)
		}
		return nil
	}
	r.sync(t, o)
	return n.Load()
}

func TestUnchangedPassOpensNothing(t *testing.T) {
	r := newRig(t)
	r.write(t, "a/b", "one")
	r.write(t, "c", "two")
	r.sync(t, r.options())
	if n := r.opened(t, r.options()); n != 0 {
		t.Errorf("%d files opened", n)
	}
}

func TestWhatIsTooYoungIsLookedAtAgain(t *testing.T) {
	r := newRig(t)
	r.write(t, "a", "one")
	young := r.options()
	young.Now = nil
	r.sync(t, young)
	if n := r.opened(t, r.options()); n != 1 {
		t.Errorf("%d files opened, want the one that had just been written", n)
	}
	if n := r.opened(t, r.options()); n != 0 {
		t.Errorf("%d files opened, want none once the clock had moved on", n)
	}
}

func TestRewriteWithTheSameSizeAndMtimeIsNoticed(t *testing.T) {
	r := newRig(t)
	path := r.write(t, "ref", "1111")
	r.sync(t, r.options())
	before, err := os.Stat(path)
	must(t, err)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString("2222")
	must(t, err)
	must(t, f.Close())
	must(t, os.Chtimes(path, time.Time{}, before.ModTime()))
	r.sync(t, r.options())
	r.same(t)
}

// tamper changes the copy behind the index's back, size and times kept.
func (r rig) tamper(t *testing.T, rel, content string) {
	t.Helper()
	path := filepath.Join(r.dst, rel)
	fi, err := os.Stat(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(content), 0))
	must(t, os.Chtimes(path, time.Time{}, fi.ModTime()))
}

func TestWithoutAnIndexTheCopyIsComparedByteByByte(t *testing.T) {
	cases := map[string]func(t *testing.T, r *rig){
		"missing":    func(t *testing.T, r *rig) { must(t, os.Remove(r.index)) },
		"empty":      func(t *testing.T, r *rig) { must(t, os.Truncate(r.index, 0)) },
		"truncated":  func(t *testing.T, r *rig) { must(t, os.Truncate(r.index, 40)) },
		"no index":   func(t *testing.T, r *rig) { must(t, os.WriteFile(r.index, []byte(strings.Repeat("x", 500)), 0o600)) },
		"a folder's": func(t *testing.T, r *rig) { r.flip(t, 20) },
		"foreign": func(t *testing.T, r *rig) {
			must(t, os.Rename(r.src, r.src+"2"))
			r.src += "2"
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write(t, "a", "1111")
			r.sync(t, r.options())
			r.tamper(t, "a", "2222")
			spoil(t, &r)
			r.sync(t, r.options())
			r.same(t)
		})
	}
}

// flip changes one byte of the index.
func (r rig) flip(t *testing.T, at int) {
	t.Helper()
	raw, err := os.ReadFile(r.index)
	must(t, err)
	raw[at] ^= 0x55
	must(t, os.WriteFile(r.index, raw, 0o600))
}

func TestNoDamageOfTheIndexLeadsAstray(t *testing.T) {
	r := newRig(t)
	c := providertest.NewChurn(t, r.src, 3)
	r.sync(t, r.options())
	size := func() int {
		fi, err := os.Stat(r.index)
		must(t, err)
		return int(fi.Size())
	}
	for at := 0; at < size(); at += 61 {
		c.Do(t, 2)
		r.flip(t, at)
		r.sync(t, r.options())
		r.same(t)
		if t.Failed() {
			t.Fatalf("byte %d", at)
		}
	}
}

// meddle does something to the source at the first such operation on a path.
func meddle(o treesync.Options, op, path string, do func()) treesync.Options {
	var done atomic.Bool
	o.Fault = func(o, p string) error {
		if o == op && p == path && !done.Swap(true) {
			do()
		}
		return nil
	}
	return o
}

func TestWhatMovesUnderThePass(t *testing.T) {
	cases := []struct {
		name, op, path string
		do             func(t *testing.T, r rig)
	}{
		{"file grows while it is read", "write", "d/f", func(t *testing.T, r rig) { r.write(t, "d/f", strings.Repeat("x", 300_000)) }},
		{"file shrinks while it is read", "write", "d/f", func(t *testing.T, r rig) { must(t, os.Truncate(filepath.Join(r.src, "d/f"), 10)) }},
		{"file is rewritten before it is read", "write", "d/f", func(t *testing.T, r rig) { r.write(t, "d/f", strings.Repeat("y", 200_000)) }},
		{"file vanishes before its stat", "stat", "d/f", func(t *testing.T, r rig) { must(t, os.Remove(filepath.Join(r.src, "d/f"))) }},
		{"file vanishes before it is opened", "open", "d/f", func(t *testing.T, r rig) { must(t, os.Remove(filepath.Join(r.src, "d/f"))) }},
		{"folder vanishes", "opendir", "d", func(t *testing.T, r rig) { must(t, os.RemoveAll(filepath.Join(r.src, "d"))) }},
		{"file becomes a link", "open", "d/f", func(t *testing.T, r rig) { r.leadOutside(t, "d/f", "secret") }},
		{"folder becomes a link", "opendir", "d", func(t *testing.T, r rig) { r.leadOutside(t, "d", "") }},
	}
	for _, c := range cases {
		for _, strict := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, strict=%v", c.name, strict), func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.write(t, "d/f", strings.Repeat("x", 200_000))
				o := r.options()
				o.Strict = strict
				_, err := treesync.Sync(t.Context(), meddle(o, c.op, c.path, func() { c.do(t, r) }))
				if strict && (err == nil || !strings.Contains(err.Error(), "under the lock") || !strings.Contains(err.Error(), c.path) || problem.Remedy(err) == "") {
					t.Errorf("under the lock: %v", err)
				}
				if !strict && err != nil {
					t.Errorf("live: %v", err)
				}
				r.nothingFromOutside(t)
				r.tick(t)
				r.sync(t, r.options())
				r.same(t)
			})
		}
	}
}

func (r rig) nothingFromOutside(t *testing.T) {
	t.Helper()
	must(t, filepath.WalkDir(r.dst, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if strings.Contains(string(raw), "outside") {
			t.Errorf("%s is from outside the home", path)
		}
		return err
	}))
}

func TestWhatSeemedToVanishIsThereInTheNextPass(t *testing.T) {
	for _, at := range []struct{ op, path string }{
		{"opendir", "d"}, {"readdir", "d"}, {"stat", "d/f"}, {"open", "d/f"}, {"open", "d/linked"}, {"stat", "d/linked too"},
	} {
		for _, before := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %s, copied before=%v", at.op, at.path, before), func(t *testing.T) {
				r := newRig(t)
				f, linked := r.write(t, "d/f", "x"), r.write(t, "d/linked", "y")
				must(t, os.Link(linked, linked+" too"))
				if before {
					r.sync(t, r.options())
					must(t, os.WriteFile(f, []byte("xx"), 0o644))
					must(t, os.WriteFile(linked, []byte("yy"), 0o644))
				}
				o := r.options()
				o.Fault = func(op, p string) error {
					if op == at.op && p == at.path {
						return syscall.ENOENT
					}
					return nil
				}
				r.sync(t, o)
				r.sync(t, r.options())
				r.same(t)
			})
		}
	}
}

// leadOutside puts a symbolic link to a folder outside, or to a file in it, in
// the place of an entry.
func (r rig) leadOutside(t *testing.T, rel, name string) {
	outside := filepath.Join(filepath.Dir(r.src), "outside")
	must(t, os.MkdirAll(outside, 0o755))
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("outside"), 0o644))
	must(t, os.RemoveAll(filepath.Join(r.src, rel)))
	must(t, os.Symlink(filepath.Join(outside, name), filepath.Join(r.src, rel)))
}

func TestErrorsNameThePath(t *testing.T) {
	for _, op := range []string{"opendir", "stat", "open", "create", "write", "apply", "rename", "mkdir", "finish folder"} {
		t.Run(op, func(t *testing.T) {
			r := newRig(t)
			r.write(t, "d/f", "x")
			o := r.options()
			o.Fault = func(o, p string) error {
				if o == op && p != "" {
					return syscall.EACCES
				}
				return nil
			}
			_, err := treesync.Sync(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), "/d") || problem.Remedy(err) == "" {
				t.Errorf("got %v", err)
			}
			for rel := range providertest.Tree(t, r.dst) {
				if strings.Contains(rel, ".bkp-") {
					t.Errorf("%s was left behind", rel)
				}
			}
		})
	}
}

func TestKeepsEveryKindOfEntry(t *testing.T) {
	r := newRig(t)
	r.write(t, "plain", "x")
	must(t, os.Chmod(r.write(t, "setuid", "x"), 0o755|fs.ModeSetuid|fs.ModeSetgid))
	must(t, os.Chmod(r.write(t, "unwritable", "x"), 0o400))
	must(t, os.MkdirAll(filepath.Join(r.src, "empty", "folder"), 0o755))
	r.write(t, "closed/inside", "x")
	must(t, os.Chmod(filepath.Join(r.src, "closed"), 0o555))
	t.Cleanup(func() {
		_ = os.Chmod(filepath.Join(r.src, "closed"), 0o755)
		_ = os.Chmod(filepath.Join(r.dst, "closed"), 0o755)
	})
	must(t, os.Symlink("../nowhere", filepath.Join(r.src, "link")))
	must(t, os.Link(filepath.Join(r.src, "plain"), filepath.Join(r.src, "empty", "plain too")))
	must(t, os.Link(filepath.Join(r.src, "link"), filepath.Join(r.src, "link too")))
	must(t, syscall.Mkfifo(filepath.Join(r.src, "fifo"), 0o640))
	if os.Geteuid() == 0 {
		must(t, os.Lchown(filepath.Join(r.src, "setuid"), 4321, 4322))
		must(t, os.Chmod(filepath.Join(r.src, "setuid"), 0o755|fs.ModeSetuid))
		must(t, os.Lchown(filepath.Join(r.src, "link"), 4321, 4322))
	}
	socket, err := net.Listen("unix", filepath.Join(r.src, "s"))
	if err != nil {
		t.Skip("the temporary folder's path is too long for a socket")
	}
	defer func() { _ = socket.Close() }()
	for _, name := range []string{"setuid", "closed", "empty", "link", "."} {
		if name != "link" {
			must(t, os.Chtimes(filepath.Join(r.src, name), time.Time{}, time.Unix(1_000_000_000, 123_456_789)))
		}
	}
	if res := r.sync(t, r.options()); res.Sockets != 1 || res.Total.Files != 9-1 {
		t.Errorf("%+v", res)
	}
	r.same(t)

	// And again, into closed folders and over files that may not be written.
	must(t, os.Chmod(filepath.Join(r.src, "closed"), 0o755))
	r.write(t, "closed/inside", "other")
	must(t, os.Chmod(filepath.Join(r.src, "closed"), 0o555))
	must(t, os.Remove(filepath.Join(r.src, "unwritable")))
	must(t, os.Chmod(r.write(t, "unwritable", "y"), 0o400))
	must(t, os.Chmod(filepath.Join(r.src, "plain"), 0o600))
	r.sync(t, r.options())
	r.same(t)
}

func TestNamesThatWereOneFileBecomeTwo(t *testing.T) {
	r := newRig(t)
	a := r.write(t, "a", "same")
	b := filepath.Join(r.src, "b")
	must(t, os.Link(a, b))
	r.sync(t, r.options())
	fi, err := os.Stat(a)
	must(t, err)
	must(t, os.Remove(b))
	r.write(t, "b", "same")
	must(t, os.Chmod(b, 0o600))
	must(t, os.Chtimes(b, time.Time{}, fi.ModTime()))
	r.sync(t, r.options())
	r.same(t)
}

func TestKeepsHoles(t *testing.T) {
	r := newRig(t)
	path := r.write(t, "sparse", "start")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("end"), 64<<20)
	must(t, err)
	must(t, f.Close())
	used := func(path string) int64 {
		fi, err := os.Stat(path)
		must(t, err)
		return fi.Sys().(*syscall.Stat_t).Blocks * 512
	}
	if used(path) > 32<<20 {
		t.Skip("the file system of the temporary folder has no holes")
	}
	r.sync(t, r.options())
	r.same(t)
	if n := used(filepath.Join(r.dst, "sparse")); n > 1<<20 {
		t.Errorf("the copy takes %d bytes", n)
	}
}

func TestChangedExclusionsReachTheCopy(t *testing.T) {
	r := newRig(t)
	r.write(t, "keep/a", "x")
	r.write(t, "drop/a", "x")
	out := r.options()
	out.Exclude = func(rel string) func(string, bool) bool {
		return func(name string, dir bool) bool { return rel == "" && name == "drop" && dir }
	}
	there := func() bool { _, err := os.Lstat(filepath.Join(r.dst, "drop", "a")); return err == nil }
	for _, o := range []struct {
		options treesync.Options
		want    bool
	}{{r.options(), true}, {out, false}, {out, false}, {r.options(), true}} {
		r.sync(t, o.options)
		if there() != o.want {
			t.Fatalf("drop/a is in the copy: %v", there())
		}
	}
}

func TestWhatIsLeftOutMayVanishUnderTheLock(t *testing.T) {
	r := newRig(t)
	r.write(t, "a", "x")
	path := r.write(t, ".lock", "x")
	o := meddle(r.options(), "stat", ".lock", func() { must(t, os.Remove(path)) })
	o.Strict = true
	o.Exclude = func(string) func(string, bool) bool {
		return func(name string, _ bool) bool { return name == ".lock" }
	}
	r.sync(t, o)
	r.same(t)
}

func TestCleanRemovesWhatACrashLeft(t *testing.T) {
	r := newRig(t)
	r.write(t, "d/f", "x")
	r.sync(t, r.options())
	want := providertest.Tree(t, r.dst)
	half := filepath.Join(r.dst, "d", ".bkp-part-7")
	must(t, os.WriteFile(half, []byte("x"), 0o600))
	must(t, os.Remove(r.index))
	for range 2 {
		must(t, treesync.Clean(t.Context(), r.dst, r.index, 2))
	}
	if _, err := os.Lstat(half); err == nil {
		t.Error("the half-made file is still there")
	}
	delete(want, "d") // its time is that of the cleaning
	got := providertest.Tree(t, r.dst)
	delete(got, "d")
	providertest.SameTrees(t, want, got, nil)
	must(t, treesync.Clean(t.Context(), filepath.Join(r.dst, "never made"), r.index, 2))
}

func TestCrashBetweenPassesThatSwapFolders(t *testing.T) {
	r := newRig(t)
	for _, d := range []string{"a", "b"} {
		path := r.write(t, d+"/f", "in "+d)
		must(t, os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)))
	}
	swap := func() {
		must(t, os.Rename(filepath.Join(r.src, "a"), filepath.Join(r.src, "x")))
		must(t, os.Rename(filepath.Join(r.src, "b"), filepath.Join(r.src, "a")))
		must(t, os.Rename(filepath.Join(r.src, "x"), filepath.Join(r.src, "b")))
	}
	r.sync(t, r.options())
	swap()
	for _, fail := range []string{"a/f", "b/f", "b"} {
		o := r.options()
		o.Fault = func(_, p string) error {
			if p == fail {
				return errInjected
			}
			return nil
		}
		if _, err := treesync.Sync(t.Context(), o); err == nil {
			t.Fatal("nothing failed")
		}
		swap() // the files' own stat is again what the index has
		r.tick(t)
		r.sync(t, r.options())
		r.same(t)
		swap()
	}
}

func TestLook(t *testing.T) {
	r := newRig(t)
	r.write(t, "a/b", "12345")
	r.write(t, "a/left out", "12345")
	must(t, os.Link(r.write(t, "c", "123456"), filepath.Join(r.src, "d")))
	s, err := treesync.Look(t.Context(), r.src, func(string) func(string, bool) bool {
		return func(name string, _ bool) bool { return name == "left out" }
	}, 2)
	must(t, err)
	if s.Files != 3 || s.Bytes != 11 || s.UnreadableCount != 0 || len(s.Mounts) != 0 {
		t.Errorf("%+v", s)
	}
	if fresh, known := s.Recent.Since(time.Now().Add(-time.Minute)); fresh != 11 || !known || s.Recent.Bytes != 11 {
		t.Errorf("%+v", s.Recent)
	}
	// A file that somebody set back is as new as its change time says.
	must(t, os.Chtimes(filepath.Join(r.src, "c"), time.Unix(0, 0), time.Unix(0, 0)))
	s, err = treesync.Look(t.Context(), r.src, nil, 2)
	must(t, err)
	if fresh, _ := s.Recent.Since(time.Now()); fresh != 16 {
		t.Errorf("%+v", s.Recent)
	}
}
