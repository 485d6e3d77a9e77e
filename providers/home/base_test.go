//go:build unix

package home_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/mirror"
	"bkp/providers/home/rsync"
	"bkp/providers/providertest"
)

func openMirror(t *testing.T, c home.Config, work string) providers.Strategy {
	t.Helper()
	s, err := providers.Homes.Open(mirror.Definition(), &mirror.Config{Config: c}, providers.Env{
		Address: "home.mirror.x", WorkDir: work, Host: &host.Host{}, Parallelism: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCheckFindings(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	makeTree(t, good, "shared/bitbucket.properties", "shared/data/repositories/1/", "log/left-out")
	makeTree(t, dir, "empty/shared/data/repositories/", "void/")
	makeTree(t, dir, "file", "strange/x", "unmounted/shared/lost+found/", "unmounted/data/db.mv.db")
	work := filepath.Join(dir, "work")
	cases := []struct {
		name, path, work string
		stores           []string
		severity         problem.Severity
		summary          string
	}{
		{"good", good, work, nil, "", ""},
		{"missing", filepath.Join(dir, "no"), work, nil, problem.Error, "home is missing"},
		{"a file", filepath.Join(dir, "file"), work, nil, problem.Error, "home is not a folder"},
		{"no home", filepath.Join(dir, "strange"), work, nil, problem.Error, "not a Bitbucket home"},
		{"no repositories", filepath.Join(dir, "empty"), work, nil, problem.Warning, "no repositories"},
		{"data store empty", good, work, []string{filepath.Join(dir, "void")}, problem.Warning, "data store is empty"},
		{"shared home not mounted", filepath.Join(dir, "unmounted"), work, nil, problem.Error, "not a Bitbucket home"},
		{"store missing", good, work, []string{filepath.Join(dir, "no")}, problem.Error, "data store is missing"},
		{"work folder inside", good, filepath.Join(good, "shared", "work"), nil, problem.Error, "folder inside the home"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := openMirror(t, home.Config{Path: c.path, DataStores: c.stores}, c.work).Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.summary == "" {
				if len(r.Findings) > 0 || r.Estimate.Files != 1 || r.Facts["path"] != good {
					t.Errorf("got %+v", r)
				}
				return
			}
			if len(r.Findings) != 1 || r.Findings[0].Summary != c.summary || r.Findings[0].Severity != c.severity || r.Findings[0].Remedy == "" {
				t.Errorf("got %+v, want %q", r.Findings, c.summary)
			}
		})
	}
}

func TestCheckNamesTheFirstUnreadablePaths(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := t.TempDir()
	makeTree(t, dir, "home/shared/data/repositories/1/")
	for i := range 8 {
		makeTree(t, dir, fmt.Sprintf("home/shared/f%d", i))
		if err := os.Chmod(filepath.Join(dir, fmt.Sprintf("home/shared/f%d", i)), 0); err != nil {
			t.Fatal(err)
		}
	}
	s := openMirror(t, home.Config{Path: filepath.Join(dir, "home")}, filepath.Join(dir, "work"))
	r, err := s.Check(t.Context())
	if err != nil || len(r.Findings) != 1 {
		t.Fatalf("%+v, %v", r.Findings, err)
	}
	if d := r.Findings[0].Detail; !strings.Contains(d, "f4") || strings.Contains(d, "f5") || !strings.Contains(d, "and 3 more") {
		t.Errorf("detail is %q", d)
	}
}

func TestPlanShowsWhatTheCopyHas(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "home")
	makeTree(t, src, "shared/a", "shared/config/b")
	if err := os.Truncate(filepath.Join(src, "shared", "a"), 3_000_000); err != nil {
		t.Fatal(err)
	}
	s := openMirror(t, home.Config{Path: src}, filepath.Join(dir, "work"))
	before, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	after, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if before.Space[0].Bytes < 3_000_000 || after.Space[0].Bytes != 0 {
		t.Errorf("space %v, then %v", before.Space, after.Space)
	}
	if got := before.Does[providers.Prepare]; got != "copy 2 files, 3.0 MB" {
		t.Errorf("first: %q", got)
	}
	if got := after.Does[providers.Prepare]; got != "copy 2 files, 3.0 MB (3.0 MB are in the working copy already)" {
		t.Errorf("then: %q", got)
	}
}

func TestDefinitionsHaveTheCommonAttributes(t *testing.T) {
	for _, d := range []providers.Definition{mirror.Definition(), rsync.Definition()} {
		cfg := d.NewConfig()
		names := map[string]bool{}
		for _, a := range d.Attributes() {
			names[a.Name] = true
			if a.Name == "path" {
				a.Field(cfg).SetString("/set")
			}
		}
		for _, want := range []string{"path", "data_stores", "exclude_repositories", "include_logs", "owner"} {
			if !names[want] {
				t.Errorf("%s has no attribute %s", d.Name(), want)
			}
		}
		s, err := providers.Homes.Open(d, cfg, providers.Env{})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Paths().Home; got != "/set" {
			t.Errorf("%s: path is %q", d.Name(), got)
		}
		if _, ok := cfg.(providers.ConfigValidator); !ok {
			t.Errorf("the configuration of %s does not validate itself", d.Name())
		}
	}
}

func TestConfigProblems(t *testing.T) {
	cases := map[string]struct {
		config    home.Config
		attribute string
	}{
		"relative":   {home.Config{Path: "home"}, "path"},
		"nested":     {home.Config{Path: "/home", DataStores: []string{"/home/store"}}, "data_stores"},
		"twice":      {home.Config{Path: "/home", DataStores: []string{"/a", "/a"}}, "data_stores"},
		"repository": {home.Config{Path: "/home", ExcludeRepositories: []int{-1}}, "exclude_repositories"},
		"owner":      {home.Config{Path: "/home", Owner: "git:"}, "owner"},
		"fine":       {home.Config{Path: "/home", DataStores: []string{"/home2"}, Owner: "git:git"}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := c.config.ValidateConfig()
			if c.attribute == "" && len(got) > 0 || c.attribute != "" && (len(got) != 1 || got[0].Attribute != c.attribute) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// artifact lays out the tree of an artifact in dir.
func artifact(t *testing.T, dir string) providers.Artifact {
	t.Helper()
	makeTree(t, dir, "home/shared/data/repositories/1/HEAD", "home/shared/data/repositories/1/HEAD.lock", "stores/0/repositories/a/b/2/HEAD")
	return providers.Artifact{Address: "home.mirror.x", Life: providers.Staged, Trees: providers.OneTree(dir), Facts: map[string]string{"path": "/old", "store.0": "/old-store"}}
}

func TestRestoreToTheConfiguredFolders(t *testing.T) {
	for _, exists := range []bool{false, true} {
		t.Run(fmt.Sprintf("exists=%v", exists), func(t *testing.T) {
			dir := t.TempDir()
			c := home.Config{Path: filepath.Join(dir, "home"), DataStores: []string{filepath.Join(dir, "deep", "store")}}
			if exists {
				makeTree(t, dir, "home/", "deep/store/")
			}
			s := openMirror(t, c, filepath.Join(dir, "work"))
			stage := back(t, s).Stage(providertest.ID)
			if filepath.Dir(stage) != dir {
				t.Fatalf("stage %s is not beside the target", stage)
			}
			if err := back(t, s).Restore(t.Context(), artifact(t, stage)); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(files(t, c.Path), files(t, c.DataStores[0])); got != "[shared/data/repositories/1/HEAD] [repositories/a/b/2/HEAD]" {
				t.Errorf("restored %s", got)
			}
		})
	}
}

// TestRestoreUndoesTheFirstPartWhenTheSecondFails lets the home's place be one
// that cannot be written to, when its store is in place already.
func TestRestoreUndoesTheFirstPartWhenTheSecondFails(t *testing.T) {
	dir := t.TempDir()
	c := home.Config{Path: filepath.Join(dir, "home"), DataStores: []string{filepath.Join(dir, "deep", "store")}}
	s := openMirror(t, c, filepath.Join(dir, "work"))
	stage := back(t, s).Stage(providertest.ID)
	a := artifact(t, stage)
	// A repository that is a file where a folder of refs is walked would pass;
	// a home that is a file is found only when it is to be walked.
	if err := os.RemoveAll(filepath.Join(stage, "home")); err != nil {
		t.Fatal(err)
	}
	makeTree(t, stage, "home")
	if err := back(t, s).Restore(t.Context(), a); err == nil {
		t.Fatal("restored a home that is no folder")
	}
	for _, p := range []string{c.Path, c.DataStores[0], filepath.Join(dir, "deep")} {
		if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s was left behind", p)
		}
	}
}

func TestRestoreWantsAsManyStoresAsTheBackupHas(t *testing.T) {
	dir := t.TempDir()
	s := openMirror(t, home.Config{Path: filepath.Join(dir, "home")}, filepath.Join(dir, "work"))
	err := back(t, s).Restore(t.Context(), artifact(t, filepath.Join(dir, "tree")))
	if err == nil || !strings.Contains(err.Error(), "data stores differ") || problem.Remedy(err) == "" {
		t.Errorf("got %v", err)
	}
	r, err := back(t, s).Check(t.Context(), artifact(t, filepath.Join(dir, "tree")))
	if err != nil || !r.Failed() {
		t.Errorf("the check says %+v, %v", r, err)
	}
}

func TestRestoreGivesEverythingToTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a change of owner needs root")
	}
	dir := t.TempDir()
	s := openMirror(t, home.Config{Path: filepath.Join(dir, "home"), Owner: "12345:12346"}, filepath.Join(dir, "work"))
	to, err := s.Restorer(filepath.Join(dir, "elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	a := artifact(t, filepath.Join(dir, "tree"))
	before := providertest.Tree(t, a.Dir())
	if err := to.Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{"elsewhere", "elsewhere.stores/0"} {
		for rel, what := range providertest.Tree(t, filepath.Join(dir, root)) {
			if !strings.Contains(what, "owner 12345:12346") {
				t.Errorf("%s: %s", rel, what)
			}
		}
	}
	// The working copy is somebody's: it must stay as it was.
	providertest.SameTrees(t, before, providertest.Tree(t, a.Dir()), nil)
	if left, _ := filepath.Glob(filepath.Join(dir, ".bkp-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestRestoreRefusesAnUnknownOwner(t *testing.T) {
	dir := t.TempDir()
	s := openMirror(t, home.Config{Path: filepath.Join(dir, "home"), DataStores: []string{filepath.Join(dir, "s")}, Owner: "nobody-of-that-name"}, dir)
	err := back(t, s).Restore(t.Context(), artifact(t, filepath.Join(dir, "tree")))
	if err == nil || !strings.Contains(err.Error(), "unknown user") {
		t.Errorf("got %v", err)
	}
}

// back is the way back to where the configuration has the state.
func back(t *testing.T, s interface {
	Restorer(string) (providers.Restorer, error)
}) providers.Restorer {
	t.Helper()
	r, err := s.Restorer("")
	if err != nil {
		t.Fatal(err)
	}
	return r
}
