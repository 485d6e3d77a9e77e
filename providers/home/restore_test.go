//go:build unix

package home_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bkp/internal/filemeta"
	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// twoParts lays out a tree with a home and one data store.
func twoParts(t *testing.T) providers.Artifact {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "copy")
	for _, name := range []string{"home/shared/bitbucket.properties", "stores/0/repositories/00/01/1/HEAD"} {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return providers.Artifact{Life: providers.Staged, Trees: providers.OneTree(tree), Facts: map[string]string{"path": "/was/home", "store.0": "/was/store"}}
}

// The data store is in its place when the home's turn fails: both targets, and
// the folders above them, are what they were.
func TestFailedRestoreLeavesEveryTargetAsItWas(t *testing.T) {
	for name, exists := range map[string]bool{"targets are absent": false, "targets are empty folders": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			root, store := filepath.Join(dir, "new", "home"), filepath.Join(dir, "stores", "one")
			if exists {
				for _, d := range []string{root, store} {
					emptyTarget(t, d)
				}
			}
			before := providertest.Tree(t, dir)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			env := providers.Env{Address: "home.mirror.x", Host: &host.Host{}, Parallelism: 1}
			env.OnProgress = func(providers.Progress) {
				if _, err := os.Stat(filepath.Join(store, "repositories")); err == nil {
					cancel()
				}
			}
			b := home.Base{Config: home.Config{Path: root, DataStores: []string{store}}, Env: env}
			if err := back(t, &b).Restore(ctx, twoParts(t)); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			providertest.SameTrees(t, before, providertest.Tree(t, dir), func(rel string) bool {
				return rel == "." || exists && filepath.Dir(rel) == "." // a folder's time shows that entries came and went
			})
		})
	}
}

// emptyTarget makes a folder as an administrator would, for another user.
func emptyTarget(t *testing.T, dir string) {
	t.Helper()
	err := os.MkdirAll(dir, 0o755)
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(dir, 12345, 12346)
	}
	if err == nil {
		err = os.Chmod(dir, 0o750|os.ModeSetgid)
	}
	long := time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC)
	if err == nil {
		err = os.Chtimes(dir, long, long)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What an archive unpacked beside an empty target is renamed over it: a second
// copy would take twice the time and the space.
func TestRestoreIntoAnEmptyFolderRenames(t *testing.T) {
	target, store := filepath.Join(t.TempDir(), "home"), filepath.Join(t.TempDir(), "store")
	emptyTarget(t, target)
	b := home.Base{Config: home.Config{Path: target, DataStores: []string{store}}, Env: providers.Env{
		Address: "home.mirror.x", Host: &host.Host{}, Parallelism: 2,
	}}
	a := twoParts(t)
	stage := back(t, &b).Stage(providertest.ID)
	if err := os.Rename(a.Dir(), stage); err != nil {
		t.Fatal(err)
	}
	a.Trees = providers.OneTree(stage)
	want, err := filemeta.Stat(filepath.Join(stage, "home"))
	if err != nil {
		t.Fatal(err)
	}
	if err := back(t, &b).Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got, err := filemeta.Stat(target); err != nil || got.ID != want.ID {
		t.Errorf("it was copied: %v, want %v (%v)", got.ID, want.ID, err)
	}
}
