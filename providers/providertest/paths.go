package providertest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// fetchesPaths takes out of a part what is wanted, and compares all of it with what was
// captured: also names of a file whose content the archive may keep under another name.
func fetchesPaths(t *testing.T, s Shelf) {
	a := s.New(t, "one")
	fetcher, ok := providers.As[providers.PathFetcher](a)
	if !ok {
		t.Skip("brings back whole parts only")
	}
	m := s.Capture(t, ID)
	i := slices.IndexFunc(m.Artifacts, func(art providers.Artifact) bool { return art.Dir() != "" })
	art := m.Artifacts[i]
	pickable(t, art.Dir())
	if _, err := a.Store(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	for _, only := range []providers.Selection{
		{"picks/below"},
		{"picks/one file"},
		{"picks/below/deep", "picks/second *?[x]\\", "picks/link"},
		{"picks/c", "picks/d"},
		{"picks"},
	} {
		to := filepath.Join(t.TempDir(), "to")
		if err := fetcher.FetchPaths(t.Context(), ID, art.Address, to, only); err != nil {
			t.Errorf("%q: %v", only, err)
			continue
		}
		SameTrees(t, treeOf(t, art.Dir(), only), Tree(t, to), nil)
	}
	parent := t.TempDir()
	to := filepath.Join(parent, "to")
	for _, lacks := range []string{"picks/not there", "picks/one file/below", "pick", "picks/below/deep/none"} {
		err := fetcher.FetchPaths(t.Context(), ID, art.Address, to, providers.NewSelection("picks/below/file", lacks))
		if !errors.Is(err, providers.ErrNoPath) || problem.Remedy(err) == "" {
			t.Errorf("%q: %v", lacks, err)
		}
		if left, _ := os.ReadDir(parent); len(left) > 0 {
			t.Errorf("%q: it left %v", lacks, left)
		}
	}
	if err := fetcher.FetchPaths(t.Context(), ID, "home.test.other", to, providers.Selection{"picks"}); err == nil {
		t.Error("a part that is not there is fetched")
	}
	if err := fetcher.FetchPaths(t.Context(), Later, art.Address, to, providers.Selection{"picks"}); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
}

// pickable adds a folder to a tree: files, links to them in other folders that come
// later, names that a pattern could match.
func pickable(t *testing.T, tree string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(tree, "picks", filepath.FromSlash(name)) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"below/deep", "below/empty", "a", "c", "d", "second x", "second *?[x]\\"} {
		must(os.MkdirAll(at(dir), 0o750))
	}
	for _, name := range []string{"one file", "below/file", "below/deep/file", "a/first", "second x/file", "second *?[x]\\/file"} {
		must(os.WriteFile(at(name), []byte("content of "+name), 0o640))
	}
	for _, link := range []string{"c/other", "c/third", "d/fourth"} {
		must(os.Link(at("a/first"), at(link)))
	}
	must(os.Symlink("below/file", at("link")))
	must(os.Chmod(at("below"), 0o500))
	past := time.Date(2026, 3, 4, 5, 6, 7, 8_000, time.UTC)
	for _, dir := range []string{"below/deep", "below", "c", ""} {
		must(os.Chtimes(at(dir), past, past))
		past = past.Add(time.Hour)
	}
	t.Cleanup(func() { _ = os.Chmod(at("below"), 0o700) }) // so that it can be removed
}
