package home_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/lab/loopfs"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// excluding opens a strategy with patterns.
func excluding(t *testing.T, def providers.Definition, src, work string, log *words, patterns ...string) providers.Strategy {
	t.Helper()
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		switch a.Name {
		case "path":
			a.Field(cfg).SetString(src)
		case "exclude":
			a.Field(cfg).Set(reflect.ValueOf(patterns))
		}
	}
	s, err := providers.Homes.Open(def, cfg, providers.Env{Address: "home.x.y", WorkDir: work, Host: &host.Host{}, Parallelism: 2, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWhatIsExcludedIsInNoPass writes to what is left out, and to its
// neighbours, before the first pass and after it; as root the second pass is
// tracked.
func TestWhatIsExcludedIsInNoPass(t *testing.T) {
	strategies(t, func(t *testing.T, def providers.Definition) {
		dir := t.TempDir()
		if os.Geteuid() == 0 {
			dir = loopfs.Mount(t, "ext4")
		}
		src := filepath.Join(dir, "home")
		left := []string{
			"shared/data/exports/a.zip", "shared/data/exports/deep/c.zip/x", "shared/data/db-copy/x", "shared/old/x/y",
			"shared/data/repositories/1/hooks/deep/post-receive", "shared/data/repositories/22/hooks/deep/post-receive", "shared/data/repositories/3/HEAD",
		}
		kept := []string{
			"shared/data/exports/a.txt", "shared/data/exports/deep/b.zip", "shared/data/db", "shared/data/repositories/1/HEAD", "shared/data/repositories/1/objects/hooks/a",
			"shared/data/repositories/22/HEAD", "shared/data/repositories/33/HEAD", "shared/other/old/x", "shared/data/deep/old", "old",
		}
		patterns := []string{
			"/shared/data/exports/*.zip", "/shared/data/exports/*/c.zip/", "/shared/data/db-*/", "/shared/old", "/shared/data/repositories/*/hooks/", "/shared/data/repositories/3/",
		}
		makeTree(t, src, slices.Concat(left, kept)...)
		log := &words{}
		s := excluding(t, def, src, filepath.Join(t.TempDir(), "work"), log, patterns...)
		if err := s.Prepare(t.Context(), providertest.ID); err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Concat(left, kept) {
			if err := os.WriteFile(filepath.Join(src, name), []byte("changed"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"shared/data/repositories/1/hooks/new/x", "shared/data/repositories/3/new/x", "shared/data/repositories/44/hooks/deep/x"} {
			makeTree(t, src, name)
			left = append(left, name)
		}
		makeTree(t, src, "shared/data/repositories/44/HEAD")
		kept = append(kept, "shared/data/repositories/44/HEAD")
		a, err := s.Capture(t.Context(), providertest.ID)
		if err != nil {
			t.Fatal(err)
		}
		release(t, s)
		if got := files(t, filepath.Join(a.Dir(), "home")); !slices.Equal(got, slices.Sorted(slices.Values(kept))) {
			t.Errorf("kept\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(slices.Sorted(slices.Values(kept)), "\n"))
		}
		for _, name := range kept[:len(kept)-1] {
			if b, err := os.ReadFile(filepath.Join(a.Dir(), "home", name)); err != nil || string(b) != "changed" {
				t.Errorf("%s is %q, %v", name, b, err)
			}
		}
		if a.Facts["exclude"] != strings.Join(patterns, "\n") || a.Facts["excluded_repositories"] != "3" {
			t.Errorf("facts %v", a.Facts)
		}
		if os.Geteuid() == 0 && strings.Contains(log.String(), "every file is checked again") {
			t.Errorf("it was not tracked: %s", log.String())
		}
	})
}

func TestThePlanShowsWhatIsExcluded(t *testing.T) {
	strategies(t, func(t *testing.T, def providers.Definition) {
		src := filepath.Join(t.TempDir(), "home")
		makeTree(t, src, "shared/config/x", "shared/data/repositories/1/HEAD")
		for pattern, want := range map[string]string{
			"/shared/data/exports/": "", "/shared/data/*.zip": "", "/data": "", "/shared/data/repositories-old": "",
			"/shared/data/repositories": "exclude hides repositories", "/shared/data/repositories/*/hooks/": "exclude hides repositories",
			"/shared/data/repo*": "exclude hides repositories", "/shared/data/": "exclude hides what a restore needs", "/shared/*": "exclude hides what a restore needs",
			"/shared/data/git-lfs/storage/1": "exclude hides what a restore needs", "/shared/config": "exclude hides what a restore needs",
		} {
			r, err := excluding(t, def, src, filepath.Join(t.TempDir(), "work"), nil, pattern).Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, f := range r.Findings {
				got += f.Summary
			}
			if got != want {
				t.Errorf("%s: %q, want %q", pattern, got, want)
			}
			if does := r.Does[providers.Prepare]; !strings.HasSuffix(does, "; without "+pattern) {
				t.Errorf("the plan says %q", does)
			}
		}
	})
}

func TestPatternsThatTheToolsUnderstandDifferentlyAreRefused(t *testing.T) {
	for pattern, good := range map[string]bool{
		"/shared/x": true, "/shared/x/": true, "/a*b/*.zip": true, "/ with space": true,
		"shared/x": false, "*.zip": false, "/": false, "": false, "//": false, "/a//b": false, "/a/../b": false, "/a/./b": false, "/a/**/b": false, "/a?": false, "/[ab]": false, `/a\b`: false, "/a\nb": false,
	} {
		c := home.Config{Path: "/home", Exclude: []string{pattern}}
		if got := len(c.ValidateConfig()) == 0; got != good {
			t.Errorf("%q is accepted: %v", pattern, got)
		}
	}
}

// TestWhatAFileSystemKeepsForItselfIsNoContent puts folders of these names where
// a file system begins, where one may, and where only a repository can.
func TestWhatAFileSystemKeepsForItselfIsNoContent(t *testing.T) {
	strategies(t, func(t *testing.T, def providers.Definition) {
		dir := t.TempDir()
		src, store := filepath.Join(dir, "home"), filepath.Join(dir, "store")
		lfs := filepath.Join(src, "shared", "data", "git-lfs*[x]")
		mount(t, lfs)
		left := []string{"lost+found/a", "shared/lost+found/a", "shared/.snapshot/hourly/a", ".zfs/snapshot/a", "shared/data/git-lfs*[x]/.snapshots/1/a"}
		kept := []string{
			"shared/config/x", "shared/data/repositories/1/lost+found/a", "shared/data/repositories/1/.snapshot/a", "shared/data/attachments/lost+found/a",
			"shared/data/git-lfs*[x]/1/lost+found/a", "shared/data/git-lfs*[x]/b",
		}
		makeTree(t, src, slices.Concat(left, kept)...)
		makeTree(t, store, "lost+found/a", "repositories/.snapshot/a", "repositories/a/b/7/lost+found/a")
		s := openAt(t, def, src, filepath.Join(dir, "work"), store)
		r, err := s.Check(t.Context())
		if err != nil || r.Failed() {
			t.Fatal(err, r.Findings)
		}
		for _, name := range []string{filepath.Join(src, "lost+found"), filepath.Join(src, "shared", ".snapshot"), filepath.Join(lfs, "lost+found"), filepath.Join(store, "lost+found")} {
			if !strings.Contains(r.Does[providers.Prepare], name) {
				t.Errorf("the plan does not name %s: %q", name, r.Does[providers.Prepare])
			}
		}
		a := backUp(t, s)
		if got := files(t, filepath.Join(a.Dir(), "home")); !slices.Equal(got, slices.Sorted(slices.Values(kept))) {
			t.Errorf("kept %q\nwant %q", got, kept)
		}
		if got := files(t, filepath.Join(a.Dir(), "stores", "0")); !slices.Equal(got, []string{"repositories/a/b/7/lost+found/a"}) {
			t.Errorf("kept of the store %q", got)
		}
	})
}

// TestRestoreToANewVolume: a fresh file system has a folder of its own, which
// stays, even when the restore fails.
func TestRestoreToANewVolume(t *testing.T) {
	strategies(t, func(t *testing.T, def providers.Definition) {
		dir := t.TempDir()
		target, store := filepath.Join(dir, "home"), filepath.Join(dir, "store")
		mount(t, target)
		mount(t, store)
		makeTree(t, target, ".snapshot/hourly/x")
		s := openAt(t, def, target, filepath.Join(dir, "work"), store)
		a := artifact(t, back(t, s).Stage(providertest.ID))
		r, err := back(t, s).Check(t.Context(), a)
		if err != nil || r.Failed() {
			t.Fatal(err, r.Findings)
		}
		if err := os.WriteFile(filepath.Join(a.Dir(), "home", "big"), make([]byte, 32<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := back(t, s).Restore(t.Context(), a); err == nil {
			t.Fatal("more was restored than fits")
		}
		want := []string{".snapshot", "lost+found"}
		if got := names(t, target); !slices.Equal(got, want) {
			t.Errorf("after a restore that failed there are %q", got)
		}
		if err := os.RemoveAll(a.Dir()); err != nil {
			t.Fatal(err)
		}
		a = artifact(t, back(t, s).Stage(providertest.ID))
		if err := back(t, s).Restore(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if got := files(t, target); len(got) != 2 || !slices.Contains(got, ".snapshot/hourly/x") {
			t.Errorf("restored %q", got)
		}
		if got := names(t, store); !slices.Contains(got, "lost+found") || len(got) < 2 {
			t.Errorf("restored to the store %q", got)
		}
	})
}

// TestAFolderOfSuchANameIsContentElsewhere: what is no root of a file system
// holds no files itself.
func TestAFolderOfSuchANameIsContentElsewhere(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "home")
	makeTree(t, target, "lost+found/found")
	s := openMirror(t, home.Config{Path: target, DataStores: []string{filepath.Join(dir, "store")}}, filepath.Join(dir, "work"))
	a := artifact(t, back(t, s).Stage(providertest.ID))
	r, err := back(t, s).Check(t.Context(), a)
	if err != nil || !r.Failed() {
		t.Errorf("the check says %v, %v", r.Findings, err)
	}
	if err := back(t, s).Restore(t.Context(), a); err == nil {
		t.Error("it was restored over what is there")
	}
	if got := files(t, target); !slices.Equal(got, []string{"lost+found/found"}) {
		t.Errorf("the target holds %q", got)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
