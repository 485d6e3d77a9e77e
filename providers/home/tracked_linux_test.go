package home_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"bkp/internal/host"
	"bkp/internal/lab/loopfs"
	"bkp/providers"
	"bkp/providers/home/mirror"
	"bkp/providers/home/rsync"
	"bkp/providers/providertest"
)

// TestTrackedCaptureIsRight lets writers change repositories, a data store on
// another file system and the rest of the home while the live pass runs, stops
// them, and compares what was captured with what is there.
func TestTrackedCaptureIsRight(t *testing.T) {
	for name, def := range map[string]providers.Definition{"mirror": mirror.Definition(), "rsync": rsync.Definition()} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("rsync"); err != nil && name == "rsync" {
				if os.Getenv("CI") == "true" {
					t.Fatal("no rsync; make deps installs it")
				}
				t.Skip("no rsync; make deps installs it")
			}
			for seed := range uint64(2) {
				tracked(t, def, seed)
			}
		})
	}
}

// words is a log that several tools write to.
type words struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func tracked(t *testing.T, def providers.Definition, seed uint64) {
	dir := t.TempDir()
	src := filepath.Join(dir, "home")
	store := filepath.Join(dir, "store")
	if os.Geteuid() == 0 {
		store = filepath.Join(loopfs.Mount(t, "xfs"), "store")
	}
	makeTree(t, src, "shared/data/repositories/", "shared/config/")
	makeTree(t, store, "repositories/")
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		switch a.Name {
		case "path":
			a.Field(cfg).SetString(src)
		case "data_stores":
			a.Field(cfg).Set(reflect.ValueOf([]string{store}))
		}
	}
	log := &words{}
	s, err := providers.Homes.Open(def, cfg, providers.Env{Address: "home.x.y", WorkDir: filepath.Join(dir, "work"), Host: &host.Host{}, Parallelism: 2, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var writers sync.WaitGroup
	var churns []*providertest.Churn
	for i, root := range []string{filepath.Join(src, "shared/data/repositories"), filepath.Join(store, "repositories"), filepath.Join(src, "shared/config")} {
		c := providertest.NewChurn(t, root, seed*10+uint64(i))
		c.Open = true
		churns = append(churns, c)
	}
	for _, c := range churns {
		writers.Go(func() {
			// Some, and not for ever: rsync's patience has an end.
			for n := 0; n < 30 && !stop.Load(); n++ {
				c.Do(t, 3)
			}
		})
	}
	err = s.Prepare(t.Context(), providertest.ID)
	stop.Store(true)
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Capture(t.Context(), providertest.ID)
	if err != nil {
		t.Fatal(err)
	}
	providertest.SameTrees(t, providertest.Tree(t, src), providertest.Tree(t, filepath.Join(a.Dir(), "home")), nil)
	providertest.SameTrees(t, providertest.Tree(t, store), providertest.Tree(t, filepath.Join(a.Dir(), "stores", "0")), nil)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Fatal(fmt.Sprint("seed ", seed, ", log: ", log))
	}
}
