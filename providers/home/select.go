package home

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// Select implements providers.Selector. A path is relative to the home, or as it was when
// the home was captured, which may be that of a data store.
func (b *restorer) Select(a providers.Artifact, paths []string) (providers.Selection, error) {
	var all []string
	for _, p := range paths {
		name, ok := inTree(a, p)
		if !ok {
			return nil, problem.Usage(problem.New("path is not in the backup", fmt.Sprintf("%q is neither below %s nor relative to it", p, strings.Join(captured(a), " nor below ")),
				"give it relative to the home, such as shared/data/repositories/42"))
		}
		all = append(all, name)
	}
	return providers.NewSelection(all...), nil
}

// inTree is the name that a path of an operator has in the tree of a.
func inTree(a providers.Artifact, p string) (string, bool) {
	clean := path.Clean(filepath.ToSlash(p))
	if p == "" || clean == "." || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsRune(p, 0) {
		return "", false
	}
	if !path.IsAbs(clean) && !filepath.IsAbs(p) {
		return "home/" + clean, true
	}
	for name, source := range layOf(a) {
		if rest, ok := strings.CutPrefix(clean+"/", strings.TrimSuffix(filepath.ToSlash(source), "/")+"/"); ok {
			return path.Join(name, rest), true
		}
	}
	return "", false
}

// layOf is where the parts of a lay when it was captured, by their names. A data store
// inside the home is a part of its own.
func layOf(a providers.Artifact) func(yield func(name, source string) bool) {
	return func(yield func(string, string) bool) {
		for i := range Stores(a) {
			if !yield(storeName(i), a.Facts[storeFact(i)]) {
				return
			}
		}
		if source := a.Facts["path"]; source != "" {
			yield("home", source)
		}
	}
}

// captured are the folders that a was captured from.
func captured(a providers.Artifact) []string {
	var out []string
	for _, source := range layOf(a) {
		out = append(out, source)
	}
	slices.Reverse(out)
	return out
}

// shownPaths are those of a selection as an operator knows them.
func shownPaths(only providers.Selection) []string {
	var out []string
	for _, p := range only {
		out = append(out, strings.TrimPrefix(p, "home/"))
	}
	return out
}

// holds refuses a part that lacks what is wanted of it.
func holds(a providers.Artifact, m move, in part) error {
	var missing []string
	for _, p := range m.only {
		if _, err := in.in.Lstat(path.Join(in.name, p)); err != nil {
			missing = append(missing, strings.TrimPrefix(path.Join(m.name, p), "home/"))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return problem.Wrapf(providers.ErrNoPath, "backup does not hold the path", "check the spelling, or look into another backup", "%s: %s", a.Address, strings.Join(missing, ", "))
}

// warnBorrowed warns of repositories that take objects from others which were not
// restored with them, as those of forks do.
func (b *restorer) warnBorrowed(ctx context.Context, a providers.Artifact, m move, in part) {
	root, err := in.in.OpenRoot(in.name)
	if err != nil {
		return // it was opened a moment ago
	}
	defer func() { _ = root.Close() }()
	for _, where := range repositoryFolders {
		_ = repositories(ctx, root, where.folder, where.depth, func(repo string) error {
			for _, from := range alternates(root, repo) {
				b.warnAlternate(a, m, repo, from)
			}
			return nil
		})
	}
}

// warnAlternate warns of one folder of objects that a repository names. A relative name
// of what was restored with it leads there; every other one leads to where the home is.
func (b *restorer) warnAlternate(a providers.Artifact, m move, repo, from string) {
	relative := !path.IsAbs(from)
	if relative {
		from = path.Join(filepath.ToSlash(b.sourceOf(a, m.name)), repo, "objects", from)
	}
	name, ok := inTree(a, from)
	restored := ok && a.Only.Holds(name)
	if restored && relative && strings.HasPrefix(name, m.name+"/") {
		return
	}
	also := "restore that repository as well, and "
	if restored {
		also = ""
	}
	b.Env.Warning(fmt.Sprintf("%s takes objects from %s, wherever it is restored: %sname the restored folder in GIT_ALTERNATE_OBJECT_DIRECTORIES for git to read it", repo, from, also))
}

// sourceOf is where a part of a lay.
func (b *restorer) sourceOf(a providers.Artifact, part string) string {
	for name, source := range layOf(a) {
		if name == part {
			return source
		}
	}
	return ""
}

// alternates are the folders of objects of others that a repository names.
func alternates(root *os.Root, repo string) []string {
	name := path.Join(repo, "objects", "info", "alternates")
	if fi, err := root.Lstat(name); err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	// A pipe may have taken its name since.
	f, err := root.OpenFile(name, os.O_RDONLY|host.NonBlock, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	var out []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, path.Clean(line))
		}
	}
	return out
}
