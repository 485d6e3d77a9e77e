package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"bkp/internal/problem"
	"bkp/providers"
)

// Ruled returns the trees of a capture, and each one is one of the home's parts
// somewhere else, with the rules of what to leave out added. The error names a part
// without a tree, a tree of no part, and one that cannot be the part: a snapshot
// that was lost reads as an empty folder, and an empty backup would pass for good.
func (b *Base) Ruled(trees []providers.Tree) ([]providers.Tree, error) {
	var out []providers.Tree
	for _, p := range b.Parts() {
		i := slices.IndexFunc(trees, func(t providers.Tree) bool { return t.Place == p.Name })
		if i < 0 {
			return nil, wrongTrees(fmt.Sprintf("there is no tree for %s, with the place %s", p.Source, p.Name))
		}
		if err := b.sameHome(p, trees[i].Path); err != nil {
			return nil, err
		}
		t := trees[i]
		t.LeaveOut = append(slices.Clone(p.Rules), t.LeaveOut...)
		out = append(out, t)
	}
	for _, t := range trees {
		if !slices.ContainsFunc(out, func(o providers.Tree) bool { return o.Place == t.Place }) {
			return nil, wrongTrees(fmt.Sprintf("the tree %s has the place %q, and the home has no such part", t.Path, t.Place))
		}
	}
	return out, nil
}

func wrongTrees(detail string) *problem.Problem {
	return problem.New("trees do not fit the home", detail, "give one tree for the home, and one for each of data_stores, in their order: home, stores/0, stores/1")
}

// Strip removes from parts that lie in the folder dir what the rules leave out. A
// copy of a whole snapshot holds more than an archive does: a lock file of the
// instance that ran, for one.
func (b *Base) Strip(ctx context.Context, dir string) error {
	for _, p := range b.Parts() {
		root, err := os.OpenRoot(filepath.Join(dir, filepath.FromSlash(p.Name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // who restores says what is missing
		}
		if err == nil {
			err = errors.Join(strip(ctx, root, "", p.Rules.Matcher()), root.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func strip(ctx context.Context, root *os.Root, rel string, matcher func(string) func(string, bool) bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	entries, err := readDir(root, path.Join(".", rel))
	if err != nil {
		return err
	}
	leaveOut := matcher(rel)
	for _, e := range entries {
		name := path.Join(rel, e.Name())
		switch {
		case leaveOut != nil && leaveOut(e.Name(), e.IsDir()):
			err = root.RemoveAll(name)
		case e.IsDir():
			err = strip(ctx, root, name, matcher)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sameHome looks in a tree for the marks of a home and for some of the
// repositories that Prepare saw.
func (b *Base) sameHome(p Part, tree string) error {
	if p.Name == "home" && !b.looksLikeHome(tree) {
		return b.noHome(tree)
	}
	gone, of, example := 0, 0, ""
	for _, dir := range b.sample {
		rel, err := filepath.Rel(p.Source, dir)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		of++
		if _, err := os.Lstat(filepath.Join(tree, rel)); errors.Is(err, fs.ErrNotExist) {
			gone, example = gone+1, filepath.Join(tree, rel)
		}
	}
	if gone == 0 || gone*100 <= b.Config.MaxMissing*of {
		return nil
	}
	return problem.New("repositories are gone", fmt.Sprintf("of %d that were in %s before the capture, such as %s, %d are not in %s", of, p.Source, example, gone, tree),
		"find out whether the snapshot is whole, and mounted")
}
