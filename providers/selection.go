package providers

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
)

// Selection are paths of a tree, each wanted with all that is below it: with slashes,
// relative to the tree's root, sorted, none below another one. Without any, all of the
// tree is wanted.
type Selection []string

// NewSelection sorts paths and leaves out those below another one.
func NewSelection(paths ...string) Selection {
	var out Selection
	for _, p := range slices.Compact(slices.Sorted(slices.Values(paths))) {
		if !slices.ContainsFunc(paths, func(above string) bool { return strings.HasPrefix(p, above+"/") }) {
			out = append(out, p)
		}
	}
	return out
}

// Holds reports whether the entry of this name is wanted: one of the paths, or below one.
func (s Selection) Holds(name string) bool {
	return len(s) == 0 || slices.ContainsFunc(s, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") })
}

// Leads reports whether the entry of this name is above one that is wanted.
func (s Selection) Leads(name string) bool {
	return slices.ContainsFunc(s, func(p string) bool { return name == "" || strings.HasPrefix(p, name+"/") })
}

// In is what is wanted of the folder of this name, relative to it; false if nothing is.
func (s Selection) In(folder string) (Selection, bool) {
	if folder == "" {
		return s, true
	}
	if s.Holds(folder) {
		return nil, true
	}
	var out Selection
	for _, p := range s {
		if rest, ok := strings.CutPrefix(p, folder+"/"); ok {
			out = append(out, rest)
		}
	}
	return out, len(out) > 0
}

// Matcher is the one of Rules that leave out what is not wanted.
func (s Selection) Matcher() func(rel string) func(name string, dir bool) bool {
	return func(rel string) func(string, bool) bool {
		if len(s) == 0 || rel != "" && s.Holds(rel) {
			return nil
		}
		return func(name string, dir bool) bool {
			full := path.Join(rel, name)
			return !s.Holds(full) && (!dir || !s.Leads(full))
		}
	}
}

// ErrNoPath is wrapped by errors about a path that a backup does not hold.
var ErrNoPath = errors.New("not there")

// PathFetcher is an archiver that brings back a part of a part.
type PathFetcher interface {
	// FetchPaths unpacks into folder, as Fetch does, what only selects of the part of a
	// component, and the folders above that. What it reads for that is compared with its
	// digests. Before anything is written it fails with an error that wraps ErrNoPath if
	// the part lacks a path; only has one at least.
	FetchPaths(ctx context.Context, b BackupID, address, folder string, only Selection) error
}

// Selector is a restorer that puts a part of an artifact into its place. It gets what was
// selected in Artifact.Only.
type Selector interface {
	// Select is what paths stand for in the tree of a: those of an operator, who knows them
	// relative to the home or as they were when a was captured. It touches nothing.
	Select(a Artifact, paths []string) (Selection, error)
}
