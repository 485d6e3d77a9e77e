//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bkp/internal/engine"
	"bkp/internal/event"
	"bkp/internal/lab/sandbox"
	"bkp/providers"
	"bkp/providers/archive/snapshots"
	"bkp/providers/providertest/example/snapshot"
)

// during is what happens in the live pass of a part.
type during func(ctx context.Context, part string) error

// watched is a home whose live pass the test looks at.
type watched struct {
	wrapper

	during during
	home   string
}

func (w watched) Prepare(ctx context.Context, b providers.BackupID) error {
	if err := w.during(ctx, w.home); err != nil {
		return err
	}
	return w.wrapper.Prepare(ctx, b)
}

func watching(what during) *providers.Registry {
	d := snapshot.Definition()
	open := func(c snapshot.Config, env providers.Env) (providers.Strategy, error) {
		s, err := d.Open(&c, env)
		if err != nil {
			return nil, err
		}
		return watched{wrapper{s.(providers.Strategy)}, what, filepath.Base(c.Path)}, nil
	}
	options := []providers.Option{providers.Yields(providers.Native), providers.Does(providers.Prepare)}
	return providers.NewRegistry(
		providers.Define(providers.Homes, d.Type, d.Summary, snapshot.Config{}, open, options...),
		providers.Define(providers.Databases, d.Type, d.Summary, snapshot.Config{}, open, options...),
		snapshots.Definition(),
	)
}

// fleet are instances of one configuration, a, b and so on.
type fleet struct {
	*engine.Engine

	servers []*sandbox.Server
}

func newFleet(t *testing.T, n int, what during) *fleet {
	t.Helper()
	dir := t.TempDir()
	config := "bkp { state_dir = \"state\" }\narchive \"snapshots\" \"kept\" {}\nretention \"few\" { keep_last = 2 }\n"
	f := &fleet{}
	for i := range n {
		name := string(rune('a' + i))
		server := sandbox.NewServer(sandbox.Options{})
		ts := httptest.NewServer(server)
		t.Cleanup(ts.Close)
		f.servers = append(f.servers, server)
		home, storage := folders(t, dir, name)
		database, storageOfDatabase := folders(t, dir, name+" database")
		config += fmt.Sprintf(`
instance %[1]q {
  url       = %[2]q
  username  = "admin"
  password  = "admin"
  home      = home.example_snapshot.%[1]s
  database  = database.example_snapshot.%[1]s
  archives  = [archive.snapshots.kept]
  retention = retention.few
}
home "example_snapshot" %[1]q {
  path    = %[3]q
  storage = %[4]q
}
database "example_snapshot" %[1]q {
  path    = %[5]q
  storage = %[6]q
}
`, name, ts.URL, home, storage, database, storageOfDatabase)
	}
	must(t, os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(config), 0o600))
	loaded, err := load(dir, watching(what))
	must(t, err)
	f.Engine = engineFor(loaded, nil)
	return f
}

// folders makes one with a state, and one for its snapshots.
func folders(t *testing.T, dir, name string) (state, storage string) {
	t.Helper()
	state, storage = filepath.Join(dir, name), filepath.Join(dir, "storage of "+name)
	must(t, os.Mkdir(state, 0o700))
	must(t, os.Mkdir(storage, 0o700))
	must(t, os.WriteFile(filepath.Join(state, "state"), []byte(name), 0o600))
	return state, storage
}

func (f *fleet) backUp(ctx context.Context, t *testing.T, parallelism int) (made int, err error) {
	t.Helper()
	p, err := f.Plan(t.Context(), nil, parallelism)
	must(t, err)
	if len(p.File.Plans) != len(f.servers) {
		t.Fatalf("%d plans: %v", len(p.File.Plans), p.NotBackedUp())
	}
	return f.BackUp(ctx, p, parallelism)
}

// backedUp are the instances that have a backup.
func (f *fleet) backedUp() []string {
	var out []string
	entries, _ := f.Catalog().List()
	for _, e := range entries {
		out = append(out, e.Manifest.Instance)
	}
	slices.Sort(out)
	return out
}

// counting is a front that does something after so many backups.
type counting struct {
	front

	after int32
	do    func()
	made  atomic.Int32
}

func (c *counting) Sink(bool) (event.Sink, func()) { return c, func() {} }

// Emit implements event.Sink.
func (c *counting) Emit(e event.Event) {
	if e.Kind == event.Summary && strings.HasPrefix(e.Message, "backup ") && c.made.Add(1) == c.after {
		c.do()
	}
}

// TestInstancesAreBackedUpSideBySide: none gets on before all have begun.
func TestInstancesAreBackedUpSideBySide(t *testing.T) {
	const n = 3
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a failure must end
	defer cancel()
	var begun atomic.Int32
	all := make(chan struct{})
	f := newFleet(t, n, func(ctx context.Context, part string) error {
		if !strings.Contains(part, "database") && begun.Add(1) == n {
			close(all)
		}
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	if made, err := f.backUp(ctx, t, 2*n); err != nil || made != n || strings.Join(f.backedUp(), "") != "abc" {
		t.Errorf("made %d, %v: %v", made, err, f.backedUp())
	}
}

// TestParallelismBoundsStepsOfAllInstances: each has two that could begin at once.
func TestParallelismBoundsStepsOfAllInstances(t *testing.T) {
	const limit = 2
	var running, most atomic.Int32
	f := newFleet(t, 5, func(context.Context, string) error {
		now := running.Add(1)
		defer running.Add(-1)
		for range 1000 { // others have time to begin
			runtime.Gosched()
		}
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		return nil
	})
	if made, err := f.backUp(t.Context(), t, limit); err != nil || made != 5 || most.Load() > limit {
		t.Errorf("made %d, %v; %d at once", made, err, most.Load())
	}
}

// TestAnInstanceThatHangsHoldsUpNobody: the others are backed up while it hangs, one
// panics, and each has an outcome of its own.
func TestAnInstanceThatHangsHoldsUpNobody(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a failure must end
	defer cancel()
	f := newFleet(t, 4, func(ctx context.Context, home string) error {
		switch home {
		case "a":
			<-ctx.Done()
			return context.Cause(ctx)
		case "b":
			panic("a mistake")
		}
		return nil
	})
	f.Front = &counting{after: 2, do: cancel}
	made, err := f.backUp(ctx, t, 2)
	if made != 2 || strings.Join(f.backedUp(), "") != "cd" {
		t.Errorf("made %d: %v", made, f.backedUp())
	}
	if err == nil || !strings.Contains(err.Error(), "instance.a: ") || !strings.Contains(err.Error(), "instance.b: ") || strings.Contains(err.Error(), "instance.c") {
		t.Errorf("the error is %v", err)
	}
	for i, server := range f.servers {
		if !server.State().Idle() {
			t.Errorf("instance %d is left in state %+v", i, server.State())
		}
	}
}
