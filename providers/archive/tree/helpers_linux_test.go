package tree

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"bkp/internal/host"
	"bkp/providers"
)

const (
	id       = providers.BackupID("prod-20261122T214431Z")
	artifact = "home.mirror.shared"
)

func open(t *testing.T, destination string, set func(*Config)) *archive {
	t.Helper()
	d := Definition()
	cfg := d.NewConfig().(*Config)
	cfg.Destination = destination
	if set != nil {
		set(cfg)
	}
	if problems := cfg.ValidateConfig(); len(problems) > 0 {
		t.Fatal(problems)
	}
	a, err := providers.Archives.Open(d, cfg, providers.Env{
		Address: "archive.tree.local", Host: &host.Host{}, Parallelism: 2, WorkDir: filepath.Join(filepath.Dir(destination), "state", "work"),
		Instance: providers.Instance{Name: "prod"},
		Warn:     func(message string) { t.Log(message) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.(*archive)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// home makes a tree with everything that a home may hold.
func home(t *testing.T, tree string) {
	t.Helper()
	write(t, filepath.Join(tree, "a.txt"), "first")
	write(t, filepath.Join(tree, "a", "inside"), "sorts before a.txt by folder, after it by name")
	write(t, filepath.Join(tree, "data", strings.Repeat("long", 40), strings.Repeat("name", 50)), "long")
	write(t, filepath.Join(tree, "data", "ünï cödé 'quoted' \"%=#\\134\n"), "odd")
	write(t, filepath.Join(tree, "not \xff utf-8"), "latin")
	write(t, filepath.Join(tree, "empty file"), "")
	write(t, filepath.Join(tree, "script"), "#!/bin/sh\n")
	write(t, filepath.Join(tree, "owned"), "by somebody else")
	large := make([]byte, 3*chunkSize+17)
	for i := range large {
		large[i] = byte(rand.IntN(256))
	}
	must(t, os.MkdirAll(filepath.Join(tree, "empty", "folder"), 0o755),
		os.WriteFile(filepath.Join(tree, "large"), large, 0o600),
		os.Chown(filepath.Join(tree, "owned"), 1234, 5678),
		os.Chmod(filepath.Join(tree, "script"), 0o751|fs.ModeSetuid),
		os.Symlink("a.txt", filepath.Join(tree, "link")),
		os.Symlink("/nowhere/at all", filepath.Join(tree, "dangling")),
		os.Link(filepath.Join(tree, "a.txt"), filepath.Join(tree, "z hard link")),
		unix.Mkfifo(filepath.Join(tree, "fifo"), 0o600),
		unix.Mkfifo(filepath.Join(tree, "data", "pipe"), 0o640),
		xattr.Set(filepath.Join(tree, "a.txt"), "user.k%e=y", []byte("va\x00lue")),
		xattr.Set(filepath.Join(tree, "a"), "user.of a folder", []byte("value")))
	f, err := os.Create(filepath.Join(tree, "sparse"))
	must(t, err)
	_, err = f.WriteAt([]byte("in the middle"), 5<<20)
	must(t, err, f.Truncate(16<<20), f.Close())
	must(t, os.Chtimes(filepath.Join(tree, "script"), time.Time{}, time.Unix(1234567890, 123456789)))
	must(t, os.Chmod(filepath.Join(tree, "empty"), 0o500), os.Chtimes(filepath.Join(tree, "empty"), time.Time{}, time.Unix(1e9, 1)))
}

func manifest(trees map[string]string) providers.Manifest {
	m := providers.Manifest{
		Format: providers.ManifestFormat, ID: id, Instance: "prod", Tool: "test", Created: id.Time(),
		LockWindow: 3 * time.Second, Window: map[string]time.Duration{"drain": time.Second},
	}
	var addresses []string
	for address := range trees {
		addresses = append(addresses, address)
	}
	slices.Sort(addresses)
	for _, address := range addresses {
		a := providers.Artifact{Address: address, Life: providers.Contained, PointInTime: id.Time()}
		if trees[address] != "" {
			a.Life, a.Trees = providers.Staged, providers.OneTree(trees[address])
		}
		m.Artifacts = append(m.Artifacts, a)
	}
	return m
}
