//go:build unix

package home_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/mirror"
	"bkp/providers/home/rsync"
	"bkp/providers/providertest"
)

// makeTree creates empty files, or folders where the path ends in a slash.
func makeTree(t *testing.T, root string, paths ...string) {
	t.Helper()
	for _, p := range paths {
		full := filepath.Join(root, p)
		dir := filepath.Dir(full)
		if strings.HasSuffix(p, "/") {
			dir = full
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir == full {
			continue
		}
		if err := os.WriteFile(full, []byte(p), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// files lists the regular files of a tree.
func files(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(root, path)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// What a home may hold: what is left out, and what merely looks like it.
var (
	leftOut = []string{
		"caches/a/b", "tmp/a", ".lock", "shared/.lock", "search/data/i", "shared/search/data/i",
		"export/e", "shared/export/e", "plugins/.osgi/x", "plugins/.bundled/deep/x",
		"shared/data/repositories/42/HEAD", "shared/data/repositories/42/objects/ab/cd",
	}
	kept = []string{
		"bitbucket.properties", "shared/bitbucket.properties", "shared/caches/a", "x/caches/a", "x/tmp", "x/.lock",
		"shared/log/a", "search/log", "shared/search/x", "plugins/.file", "plugins/installed/.x/a", "x/plugins/.a/b",
		"data/x", "data/xdb.h2", "data/deep/db.h2", "export.txt", "tmpfile", "shared/exports/e",
		"shared/data/repositories/4/HEAD", "shared/data/repositories/421/HEAD", "shared/data/repositories/1/42",
		"shared/data/attachments/repository/42/a", "shared/data/repositories/1/refs/heads/.lock",
	}
	databases = []string{"data/db.h2.db", "shared/data/db.mv.db", "data/db.lobs/1"}
	logs      = []string{"log/atlassian-bitbucket.log", "log/audit/a"}
)

type ruleCase struct {
	name     string
	embedded bool
	logs     bool
	want     []string
}

func ruleCases() []ruleCase {
	return []ruleCase{
		{"usual", false, false, kept},
		{"embedded database", true, false, slices.Concat(kept, databases)},
		{"with logs", false, true, slices.Concat(kept, logs)},
	}
}

func TestMirrorAndRsyncLeaveOutTheSame(t *testing.T) {
	if _, err := exec.LookPath("rsync"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("no rsync; make deps installs it")
	}
	for _, c := range ruleCases() {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			src, store := filepath.Join(dir, "home"), filepath.Join(dir, "store")
			makeTree(t, src, slices.Concat(leftOut, kept, databases, logs)...)
			makeTree(t, store, "repositories/a/b/42/HEAD", "repositories/a/b/7/HEAD", "repositories/42/42/7/HEAD", "repositories/a/42/x/y", "tmp/kept")
			common := home.Config{Path: src, DataStores: []string{store}, ExcludeRepositories: []int{42}, IncludeLogs: c.logs}
			trees := map[string]map[string]string{}
			for _, d := range []providers.Definition{mirror.Definition(), rsync.Definition()} {
				env := providers.Env{
					WorkDir: filepath.Join(dir, d.Type), Host: &host.Host{}, Parallelism: 2,
					Instance: providers.Instance{EmbeddedDatabase: c.embedded},
				}
				cfg := d.NewConfig()
				switch cfg := cfg.(type) {
				case *mirror.Config:
					cfg.Config = common
				case *rsync.Config:
					cfg.Config = common
				}
				s, err := providers.Homes.Open(d, cfg, env)
				if err != nil {
					t.Fatal(err)
				}
				a, err := s.Capture(t.Context(), providertest.ID)
				if err != nil {
					t.Fatal(err)
				}
				want := slices.Sorted(slices.Values(c.want))
				if got := files(t, filepath.Join(a.Dir(), "home")); !slices.Equal(got, want) {
					t.Errorf("%s keeps\n%s\nwant\n%s", d.Name(), strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				inStore := []string{"repositories/42/42/7/HEAD", "repositories/a/42/x/y", "repositories/a/b/7/HEAD", "tmp/kept"}
				if got := files(t, filepath.Join(a.Dir(), "stores", "0")); !slices.Equal(got, inStore) {
					t.Errorf("%s keeps of the store %q, want %q", d.Name(), got, inStore)
				}
				trees[d.Type] = providertest.Tree(t, filepath.Join(a.Dir(), "home"))
			}
			providertest.SameTrees(t, trees["rsync"], trees["mirror"], nil)
		})
	}
}

func TestMeshRulesKeepWhatADataCenterHomeLeavesOut(t *testing.T) {
	out := home.MeshRules().Matcher()
	for rel, want := range map[string]bool{
		"caches/": true, "log/": true, "tmp/": true, "tmp": true, ".lock": true,
		"caches": false, "store/": false, "export/": false, "mesh.properties": false,
	} {
		name, dir := strings.CutSuffix(rel, "/")
		if got := out("")(name, dir); got != want {
			t.Errorf("%q is left out: %v, want %v", rel, got, want)
		}
	}
	if out("store") != nil || out("data") != nil {
		t.Error("a Mesh home has no rules below its root")
	}
}
