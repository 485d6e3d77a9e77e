package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCheckDetects(t *testing.T) {
	needGit(t)
	h := newHome(t, HomeOptions{Repositories: 2})
	first := h.repositories[0]
	before := first.tips["main"]
	if err := h.push(t.Context(), first, "main", []byte("second")); err != nil {
		t.Fatal(err)
	}
	now := first.tips["main"]
	branch := filepath.Join("shared", "data", "repositories", "1", "refs", "heads", "main")
	object := func(dir, name string) string {
		return filepath.Join(dir, "shared", "data", "repositories", "1", "objects", name[:2], name[2:])
	}
	blobOf := func(t *testing.T, dir, commit string) string {
		t.Helper()
		c := &checker{}
		out, err := c.git(t.Context(), filepath.Join(dir, "shared", "data", "repositories", "1"), "", "rev-parse", commit+":pushed")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	repository2 := filepath.Join("shared", "data", "repositories", "2")
	database := filepath.Join("shared", "data", "db.mv.db")
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string) error
		want   string // "": consistent
	}{
		{"nothing", func(*testing.T, string) error { return nil }, ""},
		{"a branch one commit behind", func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, branch), []byte(before+"\n"), 0o600)
		}, "its newest row says " + now},
		{"a branch lost", func(_ *testing.T, dir string) error { return os.Remove(filepath.Join(dir, branch)) }, `is at ""`},
		{"a branch truncated", func(_ *testing.T, dir string) error { return os.Truncate(filepath.Join(dir, branch), 7) }, "git fsck"},
		{"a branch without row", func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, filepath.Dir(branch), "other"), []byte(now+"\n"), 0o600)
		}, "branch other has no row"},
		{"a missing commit", func(_ *testing.T, dir string) error { return os.Remove(object(dir, before)) }, "is not whole"},
		{"a missing blob", func(t *testing.T, dir string) error { return os.Remove(object(dir, blobOf(t, dir, now))) }, "is not whole"},
		{"a damaged blob", func(t *testing.T, dir string) error {
			path := object(dir, blobOf(t, dir, now))
			if err := os.Chmod(path, 0o600); err != nil {
				return err
			}
			return os.Truncate(path, 10)
		}, "git fsck"},
		{"a torn database", func(_ *testing.T, dir string) error { return os.Truncate(filepath.Join(dir, database), 600) }, "torn"},
		{"no database", func(_ *testing.T, dir string) error { return os.Remove(filepath.Join(dir, database)) }, "db.mv.db"},
		{"a missing repository", func(_ *testing.T, dir string) error { return os.RemoveAll(filepath.Join(dir, repository2)) }, "repository 2 is in the database and not on disk"},
		{"an extra repository", func(_ *testing.T, dir string) error {
			return os.CopyFS(filepath.Join(dir, filepath.Dir(repository2), "3"), os.DirFS(filepath.Join(dir, repository2)))
		}, "repository 3 is on disk"},
		{"a stale lock file of git", func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, branch+".lock"), nil, 0o600)
		}, "stale lock file"},
		{"the home's lock", func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "shared", ".lock"), nil, 0o600)
		}, "shared/.lock is there"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := restored(t, h)
			if err := test.damage(t, dir); err != nil {
				t.Fatal(err)
			}
			r, err := Check(t.Context(), Checking{Home: dir, Database: Embedded})
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(r.Failures, "\n")
			if test.want == "" && all != "" || !strings.Contains(all, test.want) {
				t.Errorf("failures:\n%s\nwant: %s", all, test.want)
			}
		})
	}
}

func TestCheckOfNoHome(t *testing.T) {
	needGit(t)
	if r, err := Check(t.Context(), Checking{Home: t.TempDir(), Database: Embedded}); err == nil {
		t.Errorf("an empty folder passes for a home: %+v", r)
	}
}

func TestCheckReadsDataStores(t *testing.T) {
	needGit(t)
	store := filepath.Join(t.TempDir(), "store")
	h := newHome(t, HomeOptions{DataStore: store})
	if r, err := Check(t.Context(), Checking{Home: restored(t, h), Database: Embedded, Stores: []string{store}}); err != nil || len(r.Failures) > 0 {
		t.Errorf("%v, %v", r.Failures, err)
	}
	if r, err := Check(t.Context(), Checking{Home: restored(t, h), Database: Embedded}); err != nil || len(r.Failures) != 2 {
		t.Errorf("without its data store: %v, %v", r.Failures, err)
	}
}

// TestCheckAllowsForTheLastPushes: what pushes of the last moments left in one of home
// and database alone is no failure, and everything older is.
func TestCheckAllowsForTheLastPushes(t *testing.T) {
	needGit(t)
	h := newHome(t, HomeOptions{Repositories: 1})
	r := h.repositories[0]
	first := r.tips["main"]
	if err := h.push(t.Context(), r, "main", []byte("second")); err != nil {
		t.Fatal(err)
	}
	dir := restored(t, h)
	ref := filepath.Join(dir, "shared", "data", "repositories", "1", "refs", "heads", "main")
	if err := os.WriteFile(ref, []byte(first+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(within time.Duration) CheckResult {
		got, err := Check(t.Context(), Checking{Home: dir, Database: Embedded, Within: within})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := check(time.Hour); len(got.Failures) > 0 || got.Unsettled != 1 {
		t.Errorf("the home lacks the last push: %+v", got)
	}
	for _, within := range []time.Duration{0, time.Nanosecond} {
		got := check(within)
		if isNewest := within > 0; (len(got.Failures) == 0) != isNewest {
			t.Errorf("within %s: %+v", within, got)
		}
	}
	if err := h.push(t.Context(), r, "main", []byte("third")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ref, []byte(first+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	database := filepath.Join("shared", "data", "db.mv.db")
	later, err := os.ReadFile(filepath.Join(restored(t, h), database))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, database), later, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := check(time.Nanosecond); len(got.Failures) == 0 {
		t.Errorf("two pushes are missing, and only the last may be: %+v", got)
	}
}
