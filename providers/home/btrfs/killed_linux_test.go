package btrfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/providertest"
)

// run is a run of the strategy in a process of its own, which is killed at a call
// of the storage.
type run struct {
	Home, Store, WorkDir string
	ID                   providers.BackupID
	// Keep has the backup stay; else it is discarded in the end.
	Keep bool
	// At is the call, from 1, at which it dies; After, when the call is done.
	At    int
	After bool
}

const runVariable = "BKP_TEST_RUN"

func TestMain(m *testing.M) {
	if text := os.Getenv(runVariable); text != "" {
		var r run
		if err := errors.Join(json.Unmarshal([]byte(text), &r), r.do(context.Background())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (r run) config() Config {
	return Config{Config: home.Config{Path: r.Home, DataStores: []string{r.Store}}}
}

func (r run) env() providers.Env {
	return providers.Env{Address: "home.btrfs.x", WorkDir: r.WorkDir, Host: &host.Host{}, Parallelism: 2, Instance: providers.Instance{Name: "test"}}
}

// open is the strategy as another process has it.
func (r run) open(s snapshot.Storage) *snapshot.Home {
	return snapshot.New("btrfs", s, r.config().Config, r.env())
}

func (r run) storage() *storage { return newStorage(r.config(), &host.Host{}) }

// do goes through the verbs as the engine does.
func (r run) do(ctx context.Context) error {
	return providertest.Steps(ctx, r.open(&mortal{storage: r.storage(), at: r.At, after: r.After}), r.ID, r.Keep)
}

// mortal is a storage that kills its process.
type mortal struct {
	*storage
	at, calls int
	after     bool
}

func (m *mortal) die(after bool) {
	if !after {
		m.calls++
	}
	if m.calls == m.at && after == m.after {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}

func (m *mortal) Prepare(ctx context.Context, t snapshot.Tag, v []snapshot.Volume) error {
	m.die(false)
	defer m.die(true)
	return m.storage.Prepare(ctx, t, v)
}

// Take dies between two snapshots, too.
func (m *mortal) Take(ctx context.Context, t snapshot.Tag, volumes []snapshot.Volume) (out []snapshot.Snapshot, err error) {
	for _, v := range volumes {
		m.die(false)
		one, err := m.storage.Take(ctx, t, []snapshot.Volume{v})
		m.die(true)
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return out, nil
}

func (m *mortal) Sets(ctx context.Context) ([]snapshot.Set, []providers.Finding, error) {
	m.die(false)
	defer m.die(true)
	return m.storage.Sets(ctx)
}

func (m *mortal) Mount(ctx context.Context, s snapshot.Snapshot, dir string) error {
	m.die(false)
	defer m.die(true)
	return m.storage.Mount(ctx, s, dir)
}

func (m *mortal) Release(ctx context.Context, s snapshot.Snapshot) error {
	m.die(false)
	defer m.die(true)
	return m.storage.Release(ctx, s)
}

func (m *mortal) Keep(ctx context.Context, s snapshot.Set, manifest []byte) error {
	m.die(false)
	defer m.die(true)
	return m.storage.Keep(ctx, s, manifest)
}

func (m *mortal) Delete(ctx context.Context, s snapshot.Set) error {
	m.die(false)
	defer m.die(true)
	return m.storage.Delete(ctx, s)
}

// start runs r in a process of its own, and reports whether it was killed.
func (r run) start(t *testing.T) (killed bool) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), runVariable+"="+string(text))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("%+v: %v: %s", r, err, out)
	}
	return false
}

// left counts the snapshots on the file system, and refuses mounts of a view.
func (r run) left(t *testing.T) int {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(r.WorkDir))
	if err != nil || len(mounts) > 0 {
		t.Errorf("%v is mounted, %v", mounts, err)
	}
	if entries, _ := os.ReadDir(filepath.Join(r.WorkDir, "views")); len(entries) > 0 {
		t.Errorf("views has %v", entries)
	}
	return strings.Count(btrfs(t, "subvolume", "list", "-r", filepath.Dir(r.Home)), "\n")
}

// TestKilledAnywhere kills a run at every call of the storage. Another process
// discards what is left, or the next run does, and a kept backup stays.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	const volumes, older, next = 3, providers.BackupID("test-20261101T000000Z"), providers.BackupID("test-20261231T000000Z")
	for name, way := range map[string]struct{ keep, after, next bool }{
		"before, discarded":         {},
		"after, discarded":          {after: true},
		"after, kept":               {after: true, keep: true},
		"after, and another run":    {after: true, next: true},
		"before, kept, another run": {keep: true, next: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run{WorkDir: filepath.Join(t.TempDir(), "work"), ID: providertest.ID, Keep: way.keep, After: way.after}
			r.Home, r.Store = live(t)
			for _, dir := range []string{filepath.Join(r.Home, "shared", "data", "repositories", "1"), filepath.Join(r.Store, "repositories")} {
				if err := os.MkdirAll(dir, 0o750); err != nil {
					t.Fatal(err)
				}
			}
			kept := r
			kept.ID, kept.Keep, kept.At = older, true, 0
			kept.start(t)
			if n := r.left(t); n != volumes {
				t.Fatalf("%d snapshots are kept", n)
			}
			for r.At = 1; r.start(t); r.At++ {
				t.Run(strconv.Itoa(r.At), func(t *testing.T) { r.cleaned(t, way.next, next, volumes) })
			}
			if r.At < 10 {
				t.Errorf("only %d calls", r.At)
			}
		})
	}
}

// cleaned has another process clean up, and expects the older backup alone to be
// left.
func (r run) cleaned(t *testing.T, byNext bool, next providers.BackupID, volumes int) {
	ctx, h := t.Context(), r.open(r.storage())
	clean := func() error { return h.Discard(ctx, r.ID) }
	if byNext {
		clean = func() error { return errors.Join(h.Prepare(ctx, next), h.Discard(ctx, next)) }
	}
	if err := clean(); err != nil {
		t.Fatal(err)
	}
	list, findings, err := h.List(ctx)
	if err != nil || len(findings) > 0 || len(list) == 0 {
		t.Fatalf("list: %v %v %v", list, findings, err)
	}
	if n := r.left(t); n != volumes*len(list) {
		t.Errorf("%d snapshots are left of %d backups", n, len(list))
	}
	for _, m := range list {
		if found, err := h.Verify(ctx, m.ID); err != nil || len(found) > 0 {
			t.Errorf("%s: %v %v", m.ID, found, err)
		}
	}
	if err := h.Delete(ctx, r.ID); err != nil {
		t.Error(err)
	}
	if n := r.left(t); n != volumes {
		t.Errorf("%d snapshots are left in the end", n)
	}
}
