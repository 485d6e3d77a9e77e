package rsync

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// TestAnRsyncThatHangsIsEnded: a backup at night must not wait for it, and for
// the next, for ever.
func TestAnRsyncThatHangsIsEnded(t *testing.T) {
	f := newFake(t, 0, "")
	script := "#!/bin/sh\n[ \"$1\" = --version ] && exec cat " + filepath.Join(f.dir, "version") + "\nexec sleep 1000\n"
	if err := os.WriteFile(filepath.Join(f.dir, "rsync"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	s := f.strategy(t)
	s.patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	err := s.Prepare(ctx, providertest.ID)
	var p *problem.Problem
	if !errors.As(err, &p) || p.Summary != "rsync hangs" || p.Remedy == "" || !strings.Contains(err.Error(), "made no progress") {
		t.Errorf("got %v", err)
	}
	if newStrategy(Config{}, providers.Env{}).patience != patience {
		t.Error("others are not watched")
	}
}

// TestLivePassesEndWhileFilesComeAndGo: with incremental recursion rsync
// 3.5.0 hangs in one of ten.
func TestLivePassesEndWhileFilesComeAndGo(t *testing.T) {
	needRsync(t)
	dir := t.TempDir()
	s := newStrategy(Config{Config: home.Config{Path: filepath.Join(dir, "home")}},
		providers.Env{Address: "home.rsync.x", WorkDir: filepath.Join(dir, "work"), Host: &host.Host{}, Parallelism: 1})
	s.patience = 30 * time.Second // more than a busy machine lets anybody wait
	shared := filepath.Join(dir, "home", "shared")
	if err := os.MkdirAll(shared, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.MakeCopyDir(); err != nil {
		t.Fatal(err)
	}
	a, err := s.ability(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.able = &a

	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	defer writers.Wait()
	defer cancel()
	for seed := range uint64(3) {
		writers.Go(func() { churn(ctx, shared, rand.New(rand.NewPCG(seed, 1))) })
	}
	for range 60 {
		var still *host.StillError
		if err := s.pass(t.Context(), false, nil); errors.As(err, &still) {
			t.Fatal(err)
		}
	}
}

// churn makes, moves, links and removes files and folders below root until the
// context ends.
func churn(ctx context.Context, root string, r *rand.Rand) {
	folder := func() string {
		path := root
		for range 1 + r.IntN(3) {
			path = filepath.Join(path, fmt.Sprintf("d%d", r.IntN(6)))
		}
		return path
	}
	file := func() string { return filepath.Join(folder(), fmt.Sprintf("f%d", r.IntN(30))) }
	for ctx.Err() == nil {
		// That there is nothing to move or to remove is part of it.
		switch n := r.IntN(100); {
		case n < 35:
			path := file()
			_ = os.MkdirAll(filepath.Dir(path), 0o755)
			_ = os.WriteFile(path, make([]byte, r.IntN(20000)), 0o644)
		case n < 50:
			_ = os.Rename(file(), file())
		case n < 65:
			_ = os.Link(file(), file())
		case n < 85:
			_ = os.Remove(file())
		case n < 90:
			_ = os.Rename(folder(), folder())
		case n < 95:
			_ = os.Mkdir(file(), 0o755)
		default:
			_ = os.RemoveAll(folder())
		}
	}
}
