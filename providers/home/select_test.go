//go:build unix

package home_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

func selector(t *testing.T, b *home.Base, target string) home.Restorer {
	t.Helper()
	r, err := b.RestorerOf(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPathsAreThoseOfTheOperator(t *testing.T) {
	a := twoParts(t)
	a.Facts["store.0"] = "/was/home/inside/store"
	r := selector(t, &home.Base{}, t.TempDir())
	for _, c := range []struct {
		paths []string
		want  providers.Selection
	}{
		{[]string{"shared/data/repositories/42"}, providers.Selection{"home/shared/data/repositories/42"}},
		{[]string{"./shared//data/", "shared/data/repositories/42"}, providers.Selection{"home/shared/data"}},
		{[]string{"/was/home/shared/config", "shared/bitbucket.properties"}, providers.Selection{"home/shared/bitbucket.properties", "home/shared/config"}},
		{[]string{"/was/home/inside/store/repositories/00/01/1"}, providers.Selection{"stores/0/repositories/00/01/1"}},
		{[]string{"/was/home"}, providers.Selection{"home"}},
	} {
		got, err := r.Select(a, c.paths)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v; want %q", c.paths, got, err, c.want)
		}
	}
	for _, bad := range []string{"", ".", "..", "../x", "shared/../..", "/was", "/was/homes/x", "/etc/passwd", "a\x00b"} {
		if got, err := r.Select(a, []string{bad}); err == nil || problem.Remedy(err) == "" {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
}

// Of a working copy, or of a snapshot that is mounted, only what is wanted is copied.
func TestRestoreOfPathsTakesNothingElse(t *testing.T) {
	a := twoParts(t)
	write := func(rel, content string) {
		t.Helper()
		path := filepath.Join(a.Dir(), filepath.FromSlash(rel))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("home/shared/data/repositories/7/HEAD", "ref")
	write("home/shared/data/repositories/7/HEAD.lock", "")
	write("home/shared/data/repositories/7/objects/info/alternates", "../../8/objects\n/was/store/repositories/00/01/1/objects\n")
	write("home/shared/data/repositories/8/HEAD", "ref")
	// Anybody who writes to the home may put a pipe there, from which nothing ever comes.
	write("home/shared/data/repositories/8/objects/info/packs", "")
	if err := syscall.Mkfifo(filepath.Join(a.Dir(), "home/shared/data/repositories/8/objects/info/alternates"), 0o600); err != nil {
		t.Fatal(err)
	}
	var warned []string
	env := providers.Env{Address: "home.mirror.x", Host: &host.Host{}, Parallelism: 2, Warn: func(w string) { warned = append(warned, w) }}
	dir := t.TempDir()
	target := filepath.Join(dir, "found", "home")
	b := home.Base{Config: home.Config{Path: "/was/home", DataStores: []string{"/was/store"}}, Env: env}
	r := selector(t, &b, target)
	restore := func(paths ...string) error {
		t.Helper()
		var err error
		if a.Only, err = r.Select(a, paths); err != nil {
			t.Fatal(err)
		}
		report, err := r.Check(t.Context(), a)
		if err != nil || report.Failed() {
			t.Fatalf("check: %v, %v", report.Findings, err)
		}
		return r.Restore(t.Context(), a)
	}
	err := restore("shared/data/repositories/7", "shared/data/repositories/9")
	if !errors.Is(err, providers.ErrNoPath) || !strings.Contains(err.Error(), "shared/data/repositories/9") {
		t.Errorf("a path that is not there: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Fatalf("it left %v", left)
	}
	if err := restore("shared/data/repositories/7"); err != nil {
		t.Fatal(err)
	}
	want := []string{".", "home", "home/shared", "home/shared/data", "home/shared/data/repositories", "home/shared/data/repositories/7", "home/shared/data/repositories/7/HEAD",
		"home/shared/data/repositories/7/objects", "home/shared/data/repositories/7/objects/info", "home/shared/data/repositories/7/objects/info/alternates"}
	var got []string
	for name := range providertest.Tree(t, filepath.Dir(target)) {
		got = append(got, name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("there is %q, want %q", got, want)
	}
	if said := strings.Join(warned, "\n"); len(warned) != 2 || !strings.Contains(said, "/was/home/shared/data/repositories/8/objects, wherever it is restored: restore that repository") || !strings.Contains(said, "/was/store/repositories/00/01/1/objects,") {
		t.Errorf("of the repositories that it takes objects from, it says %q", warned)
	}
	warned = nil
	b.Config.Path = "/was/home"
	r = selector(t, &b, filepath.Join(dir, "all"))
	if err := restore("shared/data/repositories/7", "shared/data/repositories/8", "/was/store/repositories"); err != nil {
		t.Fatal(err)
	}
	// The relative name leads to what was restored, and the other to the live store.
	if len(warned) != 1 || !strings.Contains(warned[0], "/was/store/repositories/00/01/1/objects, wherever it is restored: name the restored folder") {
		t.Errorf("with those that it takes objects from: %q", warned)
	}
}
