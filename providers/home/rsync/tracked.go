package rsync

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"bkp/internal/filemeta"
	"bkp/providers/home"
	"bkp/providers/home/internal/treesync"
)

// work is what a tracked pass asks of rsync for one part.
type work struct {
	// root is the folder of the part below which changes are known; all else is
	// walked.
	root string
	// named are entries that changed or are gone, and folders whose attributes
	// did; trees are folders to be walked, which may have been made or moved.
	named, trees []string
}

// list turns changes into work. It returns treesync.ErrIncomplete when a file
// has a name that is not among the changes: rsync would part the two.
func list(p home.Part, c treesync.Changes) (work, error) {
	w := work{root: c.Roots[0]}
	inodes := map[filemeta.ID]bool{}
	named := map[string]bool{}
	hidden := p.Rules.Hider()
	if w.root != "" {
		named[w.root] = true
	}
	for folder, names := range c.Folders {
		// rsync asks the rules about a path on its list, and not about those above.
		out := hidden(folder)
		if folder != "" && !out {
			named[folder] = true
		}
		for name, deep := range names {
			rel := path.Join(folder, name)
			m, err := filemeta.Stat(filepath.Join(p.Source, filepath.FromSlash(rel)))
			out := out || err == nil && m.Mode.IsDir() && hidden(rel)
			switch {
			case os.IsNotExist(err):
			case err != nil:
				return w, err
			case m.Mode.IsDir() && deep:
				if err := inspect(p, rel, inodes); err != nil {
					return w, err
				}
				if !out {
					w.trees = append(w.trees, rel)
				}
				continue
			case !m.Mode.IsDir() && m.Links > 1:
				return w, treesync.ErrIncomplete
			}
			inodes[m.ID] = true
			if !out {
				named[rel] = true
			}
		}
	}
	for _, id := range c.Files {
		if !inodes[id] {
			return w, treesync.ErrIncomplete
		}
	}
	w.named = slices.Sorted(maps.Keys(named))
	slices.Sort(w.trees)
	return w, nil
}

// inspect notes the files of a folder that will be walked.
func inspect(p home.Part, rel string, inodes map[filemeta.ID]bool) error {
	return filepath.WalkDir(filepath.Join(p.Source, filepath.FromSlash(rel)), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		m, err := filemeta.Stat(path)
		if err != nil {
			return ignoreGone(err)
		}
		if m.Links > 1 {
			return treesync.ErrIncomplete
		}
		inodes[m.ID] = true
		return nil
	})
}

// ignoreGone leaves what is gone to rsync, which knows whether it may be.
func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// outsideArguments are those of a full pass over all but the folder root, which
// is neither looked at nor deleted.
func outsideArguments(a ability, p home.Part, to, root string) []string {
	rules := []string{"--filter=hide /" + escaped(root), "--filter=protect /" + escaped(root)}
	return arguments(a, p, to, append(rules, "--delete", "--delete-excluded")...)
}

// namedArguments are those of a pass over a list of paths on standard input.
// What the kernel reported is copied whatever its size and time are; what is
// gone is deleted, with all that is below.
func namedArguments(a ability, p home.Part, to string) []string {
	return arguments(a, p, to, "--files-from=-", "--from0", "--no-recursive", "--ignore-times", "--delete-missing-args", "--force")
}

// treesArguments are those of a pass over a list of folders and all below them.
func treesArguments(a ability, p home.Part, to string) []string {
	return arguments(a, p, to, "--files-from=-", "--from0", "--recursive", "--ignore-times", "--delete", "--delete-missing-args", "--force")
}

// escaped hides what is special in a filter rule.
func escaped(rel string) string {
	var out []byte
	for _, c := range []byte(rel) {
		if c == '*' || c == '?' || c == '[' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(out)
}

// holders are the folders that the paths lie in.
func holders(paths []string) []string {
	found := map[string]bool{}
	for _, rel := range paths {
		if dir := path.Dir(rel); dir != "." {
			found[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
