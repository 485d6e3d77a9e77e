package drill

import (
	"os"
	"path/filepath"
	"testing"

	"bkp/providers"
)

// TestForksBorrowInsideOnly leads forks to where the objects lie now, and never
// to the live home, which has what the backup may lack.
func TestForksBorrowInsideOnly(t *testing.T) {
	live, inside := t.TempDir(), t.TempDir()
	home := filepath.Join(inside, "home")
	for _, dir := range []string{filepath.Join(live, "repo/1/objects"), filepath.Join(live, "repo/2/objects"), filepath.Join(home, "repo/1/objects"), filepath.Join(home, "repo/9/objects/info")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(home, "link")); err != nil {
		t.Fatal(err)
	}
	g := newGit(nil, inside, providers.RepositorySet{Moved: map[string]string{live: home}})
	fork := providers.Repository{ID: 9, Dir: filepath.Join(home, "repo/9")}
	file := filepath.Join(fork.Dir, "objects/info/alternates")
	good := filepath.Join(home, "repo/1/objects") + "\n"
	for text, want := range map[string]string{
		filepath.Join(live, "repo/1/objects") + "\n":             good,
		"# a note\n\n" + filepath.Join(live, "repo/1/objects"):   good,
		`"` + filepath.Join(live, "repo/1/objects") + `"` + "\n": good,
		"../../1/objects\n":                          good,
		filepath.Join(live, "repo/2/objects") + "\n": "", // only the live home has it
		elsewhere + "\n":                             "",
		filepath.Join(live, "link") + "\n":           "",
		"../../../../../\n":                          "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := g.lead(fork)
		got, _ := os.ReadFile(file)
		if want == "" && err == nil || want != "" && (err != nil || string(got) != want) {
			t.Errorf("%q leads to %q: %v", text, got, err)
		}
	}
}
