// Package copytest is the suite of home strategies that keep a working copy and a
// record of it: what something else does to the copy gets into no backup.
package copytest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bkp/internal/host"
	"bkp/internal/lab/loopfs"
	"bkp/providers"
	"bkp/providers/archive/tar"
	"bkp/providers/providertest"
)

// site is a home with a data store, its working copy and an archive.
type site struct {
	open                        Open
	home, store, work, archives string
	warned                      []string
	runs                        int
}

// Strategy is one that records its working copy.
type Strategy interface {
	providers.Strategy
	providers.Recorder
}

// Open opens a strategy for a home.
type Open func(home string, stores []string, env providers.Env) (Strategy, error)

const repository = "shared/data/repositories/1"

func newSite(t *testing.T, open Open) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{
		open: open,
		home: filepath.Join(dir, "home"), store: filepath.Join(dir, "store"), work: filepath.Join(dir, "work"),
		archives: filepath.Join(dir, "archives"),
	}
	for _, at := range []string{filepath.Join(s.home, repository), filepath.Join(s.store, "repositories/2"), s.archives} {
		ok(t, os.MkdirAll(at, 0o750))
	}
	for name, size := range map[string]int{"HEAD": 20, "pack": 300_000} {
		for _, at := range []string{filepath.Join(s.home, repository), filepath.Join(s.store, "repositories/2")} {
			ok(t, os.WriteFile(filepath.Join(at, name), []byte(strings.Repeat("x", size)), 0o600))
		}
	}
	ok(t, os.Symlink("HEAD", filepath.Join(s.home, repository, "link")))
	return s
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// strategy is the strategy in a new process.
func (s *site) strategy(t *testing.T) Strategy {
	t.Helper()
	m, err := s.open(s.home, []string{s.store}, providers.Env{
		Address: "home.copy.x", WorkDir: s.work, Host: &host.Host{}, Parallelism: 2,
		Warn: func(text string) { s.warned = append(s.warned, text) },
	})
	ok(t, err)
	return m
}

func (s *site) capture(t *testing.T, m Strategy) providers.Artifact {
	t.Helper()
	ok(t, m.Prepare(t.Context(), "x"))
	a, err := m.Capture(t.Context(), "x")
	ok(t, err)
	return a
}

// archive stores a as apply does; an error is a *providers.DamageError.
func (s *site) archive(t *testing.T, m Strategy, a providers.Artifact) error {
	t.Helper()
	d := tar.Definition()
	cfg := d.NewConfig().(*tar.Config)
	cfg.Destination = s.archives
	arch, err := providers.Archives.Open(d, cfg, providers.Env{Address: "archive.tar.x", WorkDir: filepath.Join(s.work, "tar"), Instance: providers.Instance{Name: "prod"}})
	ok(t, err)
	r, err := m.Record(t.Context(), a)
	ok(t, err)
	defer func() { _ = r.Close() }()
	s.runs++
	id := providers.NewBackupID("prod", time.Unix(1_800_000_000+int64(s.runs), 0))
	_, err = arch.Store(t.Context(), providers.Manifest{Format: providers.ManifestFormat, ID: id, Instance: "prod", Artifacts: []providers.Artifact{a}},
		providers.Records{a.Address: r})
	list, _, lerr := arch.List(t.Context())
	ok(t, lerr)
	if err != nil {
		for _, m := range list {
			if m.ID == id {
				t.Error("the archive lists a backup that failed")
			}
		}
		return err
	}
	out := t.TempDir()
	_, err = arch.Fetch(t.Context(), id, func(providers.Artifact) string { return out })
	ok(t, err)
	for part, source := range map[string]string{"home": s.home, "stores/0": s.store} {
		providertest.SameTrees(t, providertest.Tree(t, source), providertest.Tree(t, filepath.Join(out, part)), nil)
	}
	return nil
}

// heals makes a backup that fails for damage, and expects the next to be right.
func (s *site) heals(t *testing.T, m Strategy, a providers.Artifact) {
	t.Helper()
	err := s.archive(t, m, a)
	var damage *providers.DamageError
	if !errors.As(err, &damage) {
		t.Fatalf("stored all the same: %v", err)
	}
	ok(t, m.Distrust(t.Context(), a, damage.Folders))
	ok(t, m.Close())
	next := s.strategy(t)
	a = s.capture(t, next)
	ok(t, s.archive(t, next, a))
	ok(t, next.Close())
}

// keepingTime changes a file of the copy and leaves its time.
func keepingTime(t *testing.T, path string, change func()) {
	t.Helper()
	before, err := os.Stat(path)
	ok(t, err)
	change()
	ok(t, os.Chtimes(path, before.ModTime(), before.ModTime()))
}

func flip(t *testing.T, path string) {
	t.Helper()
	keepingTime(t, path, func() {
		content, err := os.ReadFile(path)
		ok(t, err)
		content[len(content)/2] ^= 1
		ok(t, os.WriteFile(path, content, 0o600))
	})
}

var damages = map[string]func(t *testing.T, tree string){
	"byte of a small file": func(t *testing.T, tree string) { flip(t, filepath.Join(tree, "home", repository, "HEAD")) },
	"byte of a large file": func(t *testing.T, tree string) { flip(t, filepath.Join(tree, "home", repository, "pack")) },
	"byte in a data store": func(t *testing.T, tree string) { flip(t, filepath.Join(tree, "stores/0/repositories/2/HEAD")) },
	"file removed":         func(t *testing.T, tree string) { ok(t, os.Remove(filepath.Join(tree, "home", repository, "HEAD"))) },
	"repository removed":   func(t *testing.T, tree string) { ok(t, os.RemoveAll(filepath.Join(tree, "home", repository))) },
	"data store removed":   func(t *testing.T, tree string) { ok(t, os.RemoveAll(filepath.Join(tree, "stores/0"))) },
	"file added": func(t *testing.T, tree string) {
		ok(t, os.WriteFile(filepath.Join(tree, "home", repository, "new"), nil, 0o600))
	},
	"folder instead of file": func(t *testing.T, tree string) {
		at := filepath.Join(tree, "home", repository, "HEAD")
		ok(t, os.Remove(at))
		ok(t, os.Mkdir(at, 0o700))
	},
}

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Run("damage before the store is found", func(t *testing.T) { damageBeforeTheStore(t, open) })
	t.Run("what lies beside the parts is stored", func(t *testing.T) { strangersAreStored(t, open) })
	t.Run("damage that no time betrays is found", func(t *testing.T) { damageWithoutATime(t, open) })
	t.Run("damage between two runs is reported and repaired", func(t *testing.T) { damageBetweenRuns(t, open) })
	t.Run("what an interrupted pass copied is no damage", func(t *testing.T) { interruptedPass(t, open) })
}

// interruptedPass copies new folders as a pass does that ends before its record is
// made. The next run has nothing left to copy of them.
func interruptedPass(t *testing.T, open Open) {
	s := newSite(t, open)
	m := s.strategy(t)
	a := s.capture(t, m)
	ok(t, s.archive(t, m, a))
	ok(t, m.Close())
	objects := filepath.Join(s.home, repository, "objects")
	ok(t, os.MkdirAll(filepath.Join(objects, "0f"), 0o750))
	ok(t, os.MkdirAll(filepath.Join(objects, "empty"), 0o750))
	ok(t, os.WriteFile(filepath.Join(objects, "0f", "blob"), []byte("new"), 0o600))
	out, err := exec.CommandContext(t.Context(), "cp", "-a", objects, filepath.Join(a.Dir(), "home", repository)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	above, err := os.Stat(filepath.Join(s.home, repository))
	ok(t, err)
	ok(t, os.Chtimes(filepath.Join(a.Dir(), "home", repository), above.ModTime(), above.ModTime()))
	m = s.strategy(t)
	a = s.capture(t, m)
	ok(t, s.archive(t, m, a))
	ok(t, m.Close())
}

// damageBeforeTheStore damages the copy between the last pass and the store: in the
// run itself, and in one that resumes.
func damageBeforeTheStore(t *testing.T, open Open) {
	for name, damage := range damages {
		for _, resumed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, resumed %v", name, resumed), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, open)
				m := s.strategy(t)
				a := s.capture(t, m)
				if resumed {
					r, err := m.Record(t.Context(), a)
					ok(t, err)
					ok(t, errors.Join(r.Close(), m.Close()))
					m = s.strategy(t)
				}
				nextTick(t)
				damage(t, a.Dir())
				s.heals(t, m, a)
			})
		}
	}
}

// nextTick returns when the clock by which the kernel notes changes of files has gone
// on: what happens within one of its ticks, some milliseconds, has one time.
func nextTick(t *testing.T) {
	t.Helper()
	at := filepath.Join(t.TempDir(), "tick")
	changed := func() time.Time {
		ok(t, os.WriteFile(at, nil, 0o600))
		ok(t, os.Chmod(at, 0o600))
		var st unix.Stat_t
		ok(t, unix.Stat(at, &st))
		return time.Unix(st.Ctim.Unix())
	}
	for begun := changed(); !changed().After(begun); {
		continue
	}
}

// What lies beside the parts belongs to the file system, and is no damage.
func strangersAreStored(t *testing.T, open Open) {
	s := newSite(t, open)
	m := s.strategy(t)
	a := s.capture(t, m)
	ok(t, os.Mkdir(filepath.Join(a.Dir(), "lost+found"), 0o700))
	ok(t, os.WriteFile(filepath.Join(a.Dir(), "lost+found", "#1"), nil, 0o600))
	ok(t, s.archive(t, m, a))
	ok(t, m.Close())
}

// damageWithoutATime writes to the disk below the file system, as a bad sector does,
// so that no time and nothing else that a stat shows changes.
func damageWithoutATime(t *testing.T, open Open) {
	s := newSite(t, open)
	point := loopfs.Mount(t, "ext4")
	s.work = filepath.Join(point, "work")
	ok(t, os.Mkdir(s.work, 0o700))
	was := bytes.Repeat([]byte("what a sector holds "), 300)
	ok(t, os.WriteFile(filepath.Join(s.home, repository, "pack"), was, 0o600))
	m := s.strategy(t)
	a := s.capture(t, m)
	ok(t, s.archive(t, m, a))
	ok(t, m.Close())
	loopfs.Damage(t, point, was, bytes.ToUpper(was))
	m = s.strategy(t)
	a = s.capture(t, m)
	if len(s.warned) > 0 {
		t.Fatalf("seen before: %q", s.warned)
	}
	s.heals(t, m, a)
}

// damageBetweenRuns: a working copy that lost something between two runs, or whose
// content is another, gets it back in the next, which warns of it.
func damageBetweenRuns(t *testing.T, open Open) {
	s := newSite(t, open)
	m := s.strategy(t)
	a := s.capture(t, m)
	ok(t, s.archive(t, m, a))
	ok(t, m.Close())
	flip(t, filepath.Join(a.Dir(), "home", repository, "pack"))
	ok(t, os.RemoveAll(filepath.Join(a.Dir(), "stores/0/repositories/2/HEAD")))
	for _, warnings := range []bool{true, false} {
		s.warned = nil
		m = s.strategy(t)
		a = s.capture(t, m)
		ok(t, s.archive(t, m, a))
		ok(t, m.Close())
		if got := strings.Contains(strings.Join(s.warned, "\n"), "repositories/1/pack"); got != warnings {
			t.Errorf("warnings: %q", s.warned)
		}
	}
}
