//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/lab/sandbox"
	"bkp/providers/providertest"
)

// TestRsyncRuns makes backups with home "rsync" while git collects garbage,
// repacks, commits and clones, and others rename, link and replace files as fast
// as they can. Each is restored, proven consistent, and compared file by file with
// what the home was when the captures were done. BKP_RSYNC_RUNS sets how many;
// `make torture` makes 100.
func TestRsyncRuns(t *testing.T) {
	runs := 3
	if n, err := strconv.Atoi(os.Getenv("BKP_RSYNC_RUNS")); err == nil {
		runs = n
	}
	for _, tool := range []string{"rsync", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			needSoakServer(t, err)
		}
	}
	w := newRsyncWorld(t)
	bad := 0
	for n := range runs {
		if !t.Run(fmt.Sprint(n), func(t *testing.T) { w.backUpAndCompare(t, n) }) {
			bad++
		}
	}
	if !w.server.State().Idle() {
		t.Errorf("left in state %+v", w.server.State())
	}
	t.Logf("%d of %d backups were not made, not consistent or not equal", bad, runs)
}

// rsyncWorld is an instance with what happens in its home besides pushes.
type rsyncWorld struct {
	dir, home string // home is the part that is compared
	server    *sandbox.Server
	pushes    *sandbox.Home

	mu sync.Mutex
	// truth is the home as it was when bkp said that its captures are done.
	truth map[string]string
}

func newRsyncWorld(t *testing.T) *rsyncWorld {
	t.Helper()
	dir := t.TempDir()
	h, err := sandbox.CreateHome(t.Context(), filepath.Join(dir, "home"), sandbox.HomeOptions{Repositories: 4, Commits: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	w := &rsyncWorld{dir: dir, home: filepath.Join(dir, "home", "shared", "data"), server: sandbox.NewServer(sandbox.Options{}), pushes: h}
	ts := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.server.CallOf(r) == sandbox.CallProgress {
			w.look(t) // nobody may write before this call is answered
		}
		w.server.ServeHTTP(rw, r)
	}))
	t.Cleanup(ts.Close)
	writeSoakConfig(t, dir, ts.URL, "rsync", "embedded", "", nil)
	return w
}

func (w *rsyncWorld) look(t *testing.T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.truth = providertest.Tree(t, w.home)
}

func (w *rsyncWorld) backUpAndCompare(t *testing.T, n int) {
	load := sandbox.StartLoad(t.Context(), w.server, w.pushes, sandbox.LoadOptions{Writers: 2, Pause: 10 * time.Millisecond})
	others := w.startOthers(t, n)
	soakRun(t, w.dir, "apply", "--auto-approve")
	others()
	// git removes folders of objects that are empty, also right before a push
	// makes a file there.
	if err := load.Stop(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	target := filepath.Join(w.dir, "restored")
	defer func() { _ = os.RemoveAll(target) }()
	soakRestore(t, w.dir, "", nil, func(restored string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, difference := range unequal(providertest.Tree(t, filepath.Join(restored, "shared", "data")), w.truth) {
			t.Error(difference)
		}
	})
	for _, old := range []string{"churn", "clone"} { // so that the home does not grow
		if err := os.RemoveAll(w.folder(old, n-2)); err != nil {
			t.Error(err)
		}
	}
}

// unequal describes how a tree differs from what it should be, the first few
// times.
func unequal(got, want map[string]string) []string {
	const few = 5
	all := maps.Clone(want)
	maps.Copy(all, got)
	var out []string
	for _, rel := range slices.Sorted(maps.Keys(all)) {
		if got[rel] != want[rel] && len(out) < few {
			out = append(out, fmt.Sprintf("%s is %.200q, was %.200q", rel, got[rel], want[rel]))
		}
	}
	return out
}

func (w *rsyncWorld) folder(kind string, n int) string {
	return filepath.Join(w.home, "repositories", fmt.Sprintf("%s-%d", kind, n))
}

// startOthers lets git and fast writers work until the returned function is
// called, each operation through the server's gate, as Bitbucket's own are.
func (w *rsyncWorld) startOthers(t *testing.T, n int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	seed := uint64(n)
	if err := os.MkdirAll(w.folder("churn", n), 0o750); err != nil {
		t.Fatal(err)
	}
	for worker := range uint64(2) {
		all.Go(func() {
			f := fastWriter{w.folder("churn", n), rand.New(rand.NewPCG(seed, 2+worker))}
			for ctx.Err() == nil {
				w.write(ctx, t, func(context.Context) error { return f.change() })
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	all.Go(func() { w.useGit(ctx, t, n, rand.New(rand.NewPCG(seed, 1))) })
	return func() { cancel(); all.Wait() }
}

// write is one operation, or a moment's wait where the instance is locked.
func (w *rsyncWorld) write(ctx context.Context, t *testing.T, operation func(context.Context) error) {
	err := w.server.Write(ctx, operation)
	switch {
	case errors.Is(err, sandbox.ErrUnavailable):
		time.Sleep(time.Millisecond)
	case err != nil && ctx.Err() == nil:
		t.Error(err)
	}
}

// useGit commits to a repository of its own, clones it with hard links, and packs
// it and those that users push to.
func (w *rsyncWorld) useGit(ctx context.Context, t *testing.T, n int, random *rand.Rand) {
	work := w.folder("work", 0)
	git := func(dir string, args ...string) {
		w.write(ctx, t, func(ctx context.Context) error {
			args := append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.packRefs=false"}, args...)
			_, err := (&host.Host{}).Run(ctx, host.Command{Name: "git", Args: args})
			return err
		})
	}
	git(w.home, "init", "-q", work)
	for count := 0; ctx.Err() == nil; count++ {
		repository := filepath.Join(w.home, "repositories", strconv.Itoa(1+random.IntN(4)))
		if random.IntN(3) == 0 {
			repository = work
		}
		switch random.IntN(6) {
		case 0:
			git(repository, "gc", "-q")
		case 1:
			git(repository, "repack", "-q", "-A", "-d")
		case 2:
			clone := w.folder("clone", n)
			w.write(ctx, t, func(context.Context) error { return os.RemoveAll(clone) })
			if _, err := os.Lstat(clone); errors.Is(err, fs.ErrNotExist) { // else the lock came first
				git(w.home, "clone", "-q", "--bare", "--local", work, clone)
			}
		default:
			w.write(ctx, t, func(context.Context) error {
				return os.WriteFile(filepath.Join(work, fmt.Sprint("file-", count%7)), []byte(strconv.Itoa(count)), 0o600)
			})
			git(work, "add", "-A")
			git(work, "commit", "-q", "--allow-empty", "-m", strconv.Itoa(count))
		}
	}
}

// fastWriter does what Bitbucket and git do to files, over and over under a few
// names: it replaces by renames, links, appends, removes and moves folders.
type fastWriter struct {
	root   string
	random *rand.Rand
}

func (f fastWriter) name() string {
	return filepath.Join(f.root, fmt.Sprint("folder-", f.random.IntN(6)), fmt.Sprint("file-", f.random.IntN(20)))
}

// change makes a change. What another one took away in between is no error.
func (f fastWriter) change() error {
	one, other := f.name(), f.name()
	content := make([]byte, f.random.IntN(2000))
	for i := range content {
		content[i] = byte(f.random.Uint32())
	}
	if err := os.MkdirAll(filepath.Dir(one), 0o750); err != nil {
		return err
	}
	var err error
	switch f.random.IntN(9) {
	case 0:
		err = os.Remove(one)
	case 1:
		err = os.Link(one, other)
	case 2:
		err = os.Rename(one, other)
	case 3:
		err = f.write(one, os.O_APPEND, content[:len(content)/10])
	case 4:
		err = os.Rename(filepath.Dir(one), filepath.Dir(one)+"-moved")
	case 5:
		err = os.RemoveAll(filepath.Dir(one) + "-moved")
	default: // as git writes a ref
		temporary := fmt.Sprintf("%s.lock-%d", one, f.random.Uint32())
		if err = f.write(temporary, os.O_EXCL, content); err == nil {
			err = os.Rename(temporary, one)
		}
	}
	if errors.As(err, new(*fs.PathError)) || errors.As(err, new(*os.LinkError)) {
		return nil
	}
	return err
}

func (f fastWriter) write(path string, flag int, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flag, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}
