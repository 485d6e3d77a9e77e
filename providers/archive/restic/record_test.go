//go:build unix

package restic

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/providers"
)

// record is one of a tree, as it is when it is made.
type record struct {
	folders map[string][]providers.Recorded
	intact  error
}

func recordOf(t *testing.T, tree string) *record {
	t.Helper()
	r := &record{folders: map[string][]providers.Recorded{}}
	must(t, filepath.WalkDir(tree, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		if rel == "." {
			r.folders[""] = nil
			return nil
		}
		x := providers.Recorded{Name: e.Name(), Type: e.Type()}
		var content []byte
		switch {
		case e.Type().IsRegular():
			content, err = os.ReadFile(path)
			x.Summed = true
		case e.Type()&fs.ModeSymlink != 0:
			var target string
			target, err = os.Readlink(path)
			content, x.Summed = []byte(target), true
		case e.IsDir():
			r.folders[rel] = nil
		}
		x.Sum = providers.Sum(content)
		in := filepath.Dir(rel)
		if in == "." {
			in = ""
		}
		r.folders[in] = append(r.folders[in], x)
		return err
	}))
	return r
}

func (r *record) Folder(name string) ([]providers.Recorded, bool, error) {
	entries, ok := r.folders[name]
	return slices.Clone(entries), ok, nil
}

func (r *record) Intact(context.Context) error { return r.intact }
func (*record) Close() error                   { return nil }

// TestBedHoldsAgainstRecord: what restic read must be what was recorded, whether it read
// all of the tree or what changed.
func TestBedHoldsAgainstRecord(t *testing.T) {
	repository, state := filepath.Join(t.TempDir(), "repository"), t.TempDir()
	a := open(t, repository, state, nil)
	tree := home(t)
	r := recordOf(t, tree)
	records := providers.Records{artifact: r}
	m := manifest(id, map[string]string{artifact: tree})
	refused := func(m providers.Manifest, what string) {
		t.Helper()
		_, err := a.Store(t.Context(), m, records)
		var damage *providers.DamageError
		if !errors.As(err, &damage) || damage.Address != artifact || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		if s := left(t, a, m.ID).without(tagReserved); len(s) > 0 {
			t.Errorf("%s: it left %v", what, s)
		}
	}
	disturbed := func(m providers.Manifest) {
		t.Helper()
		path := filepath.Join(tree, "large")
		good, err := os.ReadFile(path)
		must(t, err)
		bad := slices.Clone(good)
		bad[12345] ^= 1
		must(t, os.WriteFile(path, bad, 0o600))
		refused(m, `"large" has other content`)
		must(t, os.WriteFile(path, good, 0o600))
		must(t, os.Rename(filepath.Join(tree, "script"), filepath.Join(tree, "script2")))
		refused(m, `"script" is gone, "script2" was added`)
		must(t, os.Rename(filepath.Join(tree, "script2"), filepath.Join(tree, "script")))
		must(t, os.Remove(filepath.Join(tree, "link")), os.Symlink("elsewhere", filepath.Join(tree, "link")))
		refused(m, `"link" has other content`)
		must(t, os.Remove(filepath.Join(tree, "link")), os.Symlink("a.txt", filepath.Join(tree, "link")))
		r.intact = &providers.DamageError{Address: artifact, Cause: errors.New("the snapshot overflowed")}
		refused(m, "the snapshot overflowed")
		r.intact = nil
	}
	disturbed(m)
	_, err := a.Store(t.Context(), m, records)
	must(t, err)
	m.ID, m.Created = later, later.Time()
	disturbed(m)
	stored, err := a.Store(t.Context(), m, records)
	must(t, err)
	if size := stored.Parts[artifact].StoredBytes(); size > 100<<10 {
		t.Errorf("the second backup of the same takes %d bytes", size)
	}
}

// TestBedLeavesOutWhatItsRulesSay compares what restic stores with our matcher, for
// names and rules at random; restic's own patterns would mean something else. A
// file that should be left out and is stored is also an error of Store.
func TestBedLeavesOutWhatItsRulesSay(t *testing.T) {
	const seed = 4
	random := rand.New(rand.NewPCG(seed, seed))
	names := []string{"a", "b", "$HOME", "$$", "*", "**", "[ab]", "a\\", "!x", "#y", " lead", "trail ", "new\nline", "a.lock", ".lock", "\xff", "ü", "?"}
	tree := t.TempDir()
	for range 400 {
		var parts []string
		for range 1 + random.IntN(4) {
			parts = append(parts, names[random.IntN(len(names))])
		}
		path := filepath.Join(append([]string{tree}, parts...)...)
		if os.MkdirAll(filepath.Dir(path), 0o755) == nil {
			_ = os.WriteFile(path, []byte(path), 0o600) // may be a folder already
		}
	}
	a := open(t, filepath.Join(t.TempDir(), "repository"), t.TempDir(), nil)
	for round := range 6 {
		rules := providers.Rules{"/" + names[0] + "/"}
		for range 8 {
			rule := ""
			for range 1 + random.IntN(3) {
				rule += "/" + []string{"*", "a", "b", "*.lock", ".*", "new*", "*ail ", "$*"}[random.IntN(8)]
			}
			if random.IntN(2) == 0 {
				rule += "/"
			}
			rules = append(rules, rule)
		}
		b := providers.NewBackupID("test", id.Time().Add(time.Duration(round)*time.Second))
		m := manifest(b, map[string]string{artifact: tree})
		m.Artifacts[0].Trees[0].LeaveOut = rules
		stored, err := a.Store(t.Context(), m, nil)
		must(t, err)
		to := filepath.Join(t.TempDir(), "to")
		_, err = a.Fetch(t.Context(), b, func(providers.Artifact) string { return to })
		must(t, err)
		want, got := visible(t, tree, "", rules.Matcher()), visible(t, to, "", providers.Rules{}.Matcher())
		if !slices.Equal(want, got) || int(stored.Parts[artifact].Files) != len(want)+1 {
			t.Errorf("%q: stored %d, want %d\n%s", rules, len(got), len(want), firstDifference(want, got))
		}
	}
}

func visible(t *testing.T, tree, rel string, matcher func(string) func(string, bool) bool) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(tree, rel))
	must(t, err)
	var out []string
	for _, e := range entries {
		if skip := matcher(rel); skip != nil && skip(e.Name(), e.IsDir()) {
			continue
		}
		name := filepath.Join(rel, e.Name())
		out = append(out, name)
		if e.IsDir() {
			out = append(out, visible(t, tree, name, matcher)...)
		}
	}
	return out
}

func firstDifference(want, got []string) string {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			return fmt.Sprintf("%q, and %q", want[i], got[i])
		}
	}
	return "one is longer"
}
