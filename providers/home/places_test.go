//go:build unix

package home

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/providers"
)

func TestAFolderReplacedDuringTheLivePassEndsIt(t *testing.T) {
	dir := t.TempDir()
	repositories := filepath.Join(dir, "home", "shared", "data", "repositories")
	if err := os.MkdirAll(repositories, 0o700); err != nil {
		t.Fatal(err)
	}
	b := Base{Config: Config{Path: filepath.Join(dir, "home")}}
	if err := b.Arrive(); err != nil {
		t.Fatal(err)
	}
	if err := b.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(repositories, filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(repositories, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.Settled(t.Context()); err == nil || !strings.Contains(err.Error(), "was replaced by another folder") {
		t.Errorf("got %v", err)
	}
}

// TestWhatIsMissingIsCompared with the last backup, and each case says how
// much it held and how much there is.
func TestWhatIsMissingIsCompared(t *testing.T) {
	for name, c := range map[string]struct {
		limit          int
		files, entries int64
		before, now    map[string]string
		home, store    int
		refused        string
	}{
		"all there":                    {limit: 90, files: 100, entries: 100},
		"as much gone as may be":       {limit: 90, files: 100, entries: 10},
		"more files gone":              {limit: 90, files: 100, entries: 9, refused: "9 now"},
		"anything may be gone":         {limit: 100, files: 100, entries: 0},
		"nothing may be gone":          {limit: 0, files: 100, entries: 99, refused: "99 now"},
		"not stored, nothing is known": {limit: 90, files: 0, entries: 1},
		"repositories gone":            {limit: 90, before: map[string]string{"home": "20"}, home: 1, refused: "20 repositories, and there are 1 now"},
		"the last repository":          {limit: 90, before: map[string]string{"home": "1"}, refused: "repositories"},
		"a store of many gone":         {limit: 90, before: map[string]string{"home": "100", "stores/0": "10"}, home: 101, refused: "10 repositories in /store"},
		"moved to a store":             {limit: 90, before: map[string]string{"home": "10", "stores/0": "0"}, store: 10},
		"a store that is new":          {limit: 90, before: map[string]string{"home": "10"}, home: 10},
	} {
		b := Base{
			Config: Config{Path: "/home", DataStores: []string{"/store"}, MaxMissing: c.limit}, places: &places{}, entries: c.entries,
			repositories: map[string]int{"home": c.home, "stores/0": c.store},
		}
		last := providers.Earlier{Artifact: providers.Artifact{Facts: map[string]string{}}}
		if c.files > 0 {
			last.Copy = &providers.Part{Files: c.files}
		}
		for part, n := range c.before {
			last.Facts[factRepositories+part] = n
		}
		got := ""
		for _, f := range b.Compare([]providers.Earlier{last}) {
			got += f.Error()
		}
		if got == "" != (c.refused == "") || !strings.Contains(got, c.refused) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestFileSystemsAreNamedByWhatStays(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"ext4 1", "ext4 1", true}, {"ext4 1", "ext4 2", false}, {"xfs", "xfs 1", true}, {"xfs 1", "xfs", true}, {"xfs", "ext4", false}, {"nfs4 a:/x", "nfs4 b:/x", false},
	} {
		if got := sameVolume(c.a, c.b); got != c.same {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}
