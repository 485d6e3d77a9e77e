package providers

import (
	"path"
	"strings"
)

// Rules say what of a tree is left out. Each is anchored at the tree's root
// and written as rsync has it: "/data/db.*", "/log/" for a folder only, and *
// for anything but a slash in one element. The zero value leaves out nothing.
type Rules []string

// rule is one of Rules, taken apart.
type rule struct {
	name   string
	folder bool // leaves out folders only
}

// group is the rules for the entries of the folders that match in.
type group struct {
	in    []string
	exact map[string]bool // name to folder only
	globs []rule
}

// Matcher returns a function that decides, for a folder by its path relative to
// the root ("" is the root), what to leave out of it: nil for nothing, else a
// function of an entry's name and whether it is a folder. What is left out is
// so with all that is below it.
func (r Rules) Matcher() func(rel string) func(name string, dir bool) bool {
	groups := map[string]*group{}
	for _, text := range r {
		trimmed := strings.TrimSuffix(strings.TrimPrefix(text, "/"), "/")
		in, name := path.Split(trimmed)
		g := groups[in]
		if g == nil {
			g = &group{in: elements(strings.TrimSuffix(in, "/")), exact: map[string]bool{}}
			groups[in] = g
		}
		folder := strings.HasSuffix(text, "/")
		if strings.ContainsAny(name, "*?[") {
			g.globs = append(g.globs, rule{name, folder})
		} else {
			// Of two rules the one that leaves out more decides.
			if only, twice := g.exact[name]; twice {
				folder = folder && only
			}
			g.exact[name] = folder
		}
	}
	return func(rel string) func(string, bool) bool {
		var found []*group
		for _, g := range groups {
			if g.matches(rel) {
				found = append(found, g)
			}
		}
		if found == nil {
			return nil
		}
		return func(name string, dir bool) bool {
			for _, g := range found {
				if g.excludes(name, dir) {
					return true
				}
			}
			return false
		}
	}
}

// Hider returns a function that reports whether a folder, by its path relative
// to the root, is left out with all below it.
func (r Rules) Hider() func(rel string) bool {
	matcher := r.Matcher()
	return func(rel string) bool { return leavesOut(matcher, rel) }
}

// leavesOut reports whether rules leave out the folder rel or one above it.
func leavesOut(matcher func(string) func(string, bool) bool, rel string) bool {
	in := ""
	for _, name := range elements(rel) {
		if skip := matcher(in); skip != nil && skip(name, true) {
			return true
		}
		in = path.Join(in, name)
	}
	return false
}

func (g *group) matches(rel string) bool {
	if rel == "" {
		return len(g.in) == 0
	}
	// Most folders are deeper than any rule.
	if strings.Count(rel, "/")+1 != len(g.in) {
		return false
	}
	for i, e := range elements(rel) {
		if ok, _ := path.Match(g.in[i], e); !ok {
			return false
		}
	}
	return true
}

func (g *group) excludes(name string, dir bool) bool {
	if folder, ok := g.exact[name]; ok && (dir || !folder) {
		return true
	}
	for _, r := range g.globs {
		if ok, _ := path.Match(r.name, name); ok && (dir || !r.folder) {
			return true
		}
	}
	return false
}

func elements(p string) []string {
	if p == "" {
		return nil
	}
	return strings.Split(p, "/")
}
