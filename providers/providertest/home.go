package providertest

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bkp/internal/host"
	"bkp/providers"
)

// OpenHome opens a home strategy for a home with data stores and a work folder.
type OpenHome func(path string, stores []string, env providers.Env) (providers.Strategy, error)

// HomeOptions vary a HomeHarness.
type HomeOptions struct {
	// Staged hands the artifact to Restore as an archive would unpack it.
	Staged bool
	// QuickCheck is set for a strategy that says it does not notice a rewrite
	// that keeps size and mtime.
	QuickCheck bool
	// Live makes the folders of the home and of a data store, such as on a file
	// system of their own. Nil for folders of the test's own.
	Live func(t *testing.T) (home, store string)
}

// HomeHarness is the Harness of a home strategy that captures files: a home
// and a data store that change at random.
func HomeHarness(t *testing.T, open OpenHome, o HomeOptions) Harness {
	t.Helper()
	dir := t.TempDir()
	home, store := filepath.Join(dir, "live", "home"), filepath.Join(dir, "live", "store")
	if o.Live != nil {
		home, store = o.Live(t)
	}
	env := providers.Env{Address: "home.test.x", WorkDir: filepath.Join(dir, "work"), Host: &host.Host{}, Parallelism: 2}
	for _, d := range []string{filepath.Join(home, "shared", "data", "repositories"), filepath.Join(store, "repositories")} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	churn := NewChurn(t, filepath.Join(home, "shared", "data"), 11)
	stores := NewChurn(t, filepath.Join(store, "repositories"), 12)
	churn.Open, stores.Open = o.QuickCheck, o.QuickCheck
	newStrategy := func(t *testing.T) providers.Strategy {
		s, err := open(home, []string{store}, env)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	both := func(t *testing.T, home, store string) map[string]string {
		out := map[string]string{}
		for prefix, root := range map[string]string{"home/": home, "store/": store} {
			if _, err := os.Lstat(root); err != nil {
				continue
			}
			for rel, what := range Tree(t, root) {
				out[prefix+rel] = what
			}
		}
		return out
	}
	h := Harness{
		Prepares: true, Leaves: true,
		New:    newStrategy,
		Mutate: func(t *testing.T) { churn.Do(t, 12); stores.Do(t, 6) },
		State:  func(t *testing.T) map[string]string { return both(t, home, store) },
		Kept: func(t *testing.T) map[string]string {
			if _, err := os.Lstat(env.WorkDir); err != nil {
				return nil
			}
			return Tree(t, env.WorkDir)
		},
		Target: func(t *testing.T) Target {
			to := filepath.Join(t.TempDir(), "new", "home")
			r, err := newStrategy(t).Restorer(to)
			if err != nil {
				t.Fatal(err)
			}
			return Target{
				Restorer: r,
				State:    func(t *testing.T) map[string]string { return both(t, to, filepath.Join(to+".stores", "0")) },
				Occupy: func(t *testing.T) {
					if err := os.MkdirAll(filepath.Join(to, "somebody's"), 0o700); err != nil {
						t.Fatal(err)
					}
				},
			}
		},
	}
	if o.Staged {
		h.Stage = func(t *testing.T, r providers.Restorer, a providers.Artifact) providers.Artifact {
			return unpack(t, newStrategy(t), r, a)
		}
	}
	return h
}

// unpack brings the artifact's trees into the restorer's stage, as they are once
// they are finished again: a strategy unmounts them at the end of its run.
func unpack(t *testing.T, s providers.Strategy, r providers.Restorer, a providers.Artifact) providers.Artifact {
	t.Helper()
	a = finish(t, s, a)
	defer release(t, s)
	dir := r.Stage(ID)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, tree := range a.Trees {
		to := filepath.Join(dir, filepath.FromSlash(tree.Place))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		want := Tree(t, tree.Path)
		out, err := exec.CommandContext(t.Context(), "cp", "-a", "--", tree.Path, to).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if !maps.Equal(want, Tree(t, to)) {
			t.Skip("cp keeps too little here to stand in for an archive")
		}
	}
	a.Trees = providers.OneTree(dir)
	return a
}
