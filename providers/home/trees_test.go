package home_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// twoFolders are a home with a data store, and the base for them.
func twoFolders(t *testing.T) (b *home.Base, path, store string) {
	t.Helper()
	dir := t.TempDir()
	path, store = filepath.Join(dir, "home"), filepath.Join(dir, "store")
	for _, d := range []string{filepath.Join(path, "shared", "data", "repositories", "1"), filepath.Join(store, "repositories"), filepath.Join(path, "log")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"shared/data/repositories/1/HEAD", "log/bitbucket.log", ".lock"} {
		if err := os.WriteFile(filepath.Join(path, filepath.FromSlash(f)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := home.Defaults()
	c.Path, c.DataStores = path, []string{store}
	return &home.Base{Config: c, Env: providers.Env{Address: "home.x.y", Host: &host.Host{}, Parallelism: 1}}, path, store
}

func TestTreesMustFitTheHome(t *testing.T) {
	t.Parallel()
	b, path, store := twoFolders(t)
	if err := b.Arrive(); err != nil {
		t.Fatal(err)
	}
	if err := b.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	empty, bare := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(bare, "shared", "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	good := providers.Tree{Place: "home", Path: path, LeaveOut: providers.Rules{"/x"}}
	other := providers.Tree{Place: "stores/0", Path: store}
	for name, c := range map[string]struct {
		trees []providers.Tree
		want  string
	}{
		"both":            {[]providers.Tree{other, good}, ""},
		"no store":        {[]providers.Tree{good}, "no tree for " + store},
		"one too many":    {[]providers.Tree{good, other, {Place: "stores/1", Path: store}}, `the place "stores/1"`},
		"an empty folder": {[]providers.Tree{{Place: "home", Path: empty}, other}, "not a Bitbucket home"},
		"no repositories": {[]providers.Tree{{Place: "home", Path: bare}, other}, "repositories are gone"},
	} {
		out, err := b.Ruled(c.trees)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (len(out) != 2 || !slices.Contains(out[0].LeaveOut, "/.lock") || !slices.Contains(out[0].LeaveOut, "/x")) {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

func TestStripLeavesWhatAnArchiveHas(t *testing.T) {
	t.Parallel()
	b, path, _ := twoFolders(t)
	if err := b.Strip(t.Context(), filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	left := providertest.Tree(t, path)
	if _, ok := left["shared/data/repositories/1/HEAD"]; !ok || len(left) == 0 {
		t.Errorf("left: %v", left)
	}
	for _, gone := range []string{".lock", "log", "log/bitbucket.log"} {
		if _, ok := left[gone]; ok {
			t.Errorf("%s is still there", gone)
		}
	}
}
