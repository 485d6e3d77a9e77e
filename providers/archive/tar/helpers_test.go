package tar

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pkg/xattr"

	"bkp/internal/filemeta"
	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
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
		Address: "archive.tar.local", Host: &host.Host{}, Parallelism: 2, WorkDir: filepath.Join(t.TempDir(), "work"),
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
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// tempDir is one whose read-only folders can be removed after the test.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				err = os.Chmod(path, 0o700)
			}
			return err
		})
	})
	return dir
}

// home makes a tree with everything that a home may hold.
func home(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(tempDir(t), "home")
	write(t, filepath.Join(tree, "a.txt"), "first")
	write(t, filepath.Join(tree, "a", "inside"), "sorts before a.txt by folder, after it by name")
	write(t, filepath.Join(tree, "data", strings.Repeat("long", 40), strings.Repeat("name", 50)), "long")
	write(t, filepath.Join(tree, "data", "ünï cödé 'quoted' \"%=\n"), "odd")
	write(t, filepath.Join(tree, "empty file"), "")
	write(t, filepath.Join(tree, "script"), "#!/bin/sh\n")
	must(t, os.MkdirAll(filepath.Join(tree, "empty", "folder"), 0o755))
	large := make([]byte, 3*chunkSize+17)
	for i := range large {
		large[i] = byte(rand.IntN(256))
	}
	must(t, os.WriteFile(filepath.Join(tree, "large"), large, 0o600))
	if runtime.GOOS != "windows" {
		must(t, os.Chmod(filepath.Join(tree, "script"), 0o751|fs.ModeSetuid),
			os.Symlink("a.txt", filepath.Join(tree, "link")),
			os.Symlink("/nowhere/at/all", filepath.Join(tree, "dangling")),
			os.Link(filepath.Join(tree, "a.txt"), filepath.Join(tree, "z hard link")))
	}
	if runtime.GOOS == "linux" {
		write(t, filepath.Join(tree, "not \xff utf-8"), "latin")
		must(t, exec.Command("mkfifo", filepath.Join(tree, "fifo")).Run())
		if err := xattr.Set(filepath.Join(tree, "a.txt"), "user.k%e=y", []byte("va\x00lue")); err != nil {
			t.Logf("without extended attributes: %v", err)
		}
	}
	f, err := os.Create(filepath.Join(tree, "sparse"))
	must(t, err)
	_, err = f.WriteAt([]byte("in the middle"), 5<<20)
	must(t, err, f.Truncate(16<<20), f.Close())
	must(t, os.Chtimes(filepath.Join(tree, "script"), time.Time{}, time.Unix(1234567890, 123456789)))
	must(t, os.Chmod(filepath.Join(tree, "empty"), 0o500), os.Chtimes(filepath.Join(tree, "empty"), time.Time{}, time.Unix(1e9, 1)))
	return tree
}

// describe lists a tree with everything that a backup keeps.
func describe(t *testing.T, tree string) map[string]string {
	t.Helper()
	out := map[string]string{}
	first := map[filemeta.ID]string{}
	must(t, filepath.WalkDir(tree, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		m, err := filemeta.Read(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, tree)
		text := fmt.Sprintf("%v %d:%d %s %q", m.Mode, m.UID, m.GID, m.ModTime.UTC().Format(time.RFC3339Nano), m.Xattrs)
		switch {
		case e.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %d %x", len(data), data[:min(len(data), 40)])
			if m.Links > 1 {
				if first[m.ID] == "" {
					first[m.ID] = name
				}
				text += " = " + first[m.ID]
			}
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + target
		}
		out[name] = text
		return nil
	}))
	return out
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

func store(t *testing.T, a *archive, trees map[string]string) providers.Manifest {
	t.Helper()
	m := manifest(trees)
	stored, err := a.Store(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m.With(stored)
}

// partPath is the file of a part of the backup id, of any format.
func partPath(t *testing.T, a *archive, address string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(a.cfg.Destination, string(id), document.PartName(address)+".tar*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v %v", address, found, err)
	}
	return found[0]
}

func manifestPath(a *archive, b providers.BackupID) string {
	return filepath.Join(a.cfg.Destination, string(b), shelf.ManifestObject)
}

func into(parent string) func(providers.Artifact) string {
	return func(a providers.Artifact) string { return filepath.Join(parent, entryPrefix("x", a.Address)[2:]) }
}
