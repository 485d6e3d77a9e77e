package home

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// factExcluded lists the ids of the repositories that were left out.
const factExcluded = "excluded_repositories"

// excludedText is how factExcluded is written.
func excludedText(ids []int) string {
	var texts []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		texts = append(texts, strconv.Itoa(id))
	}
	return strings.Join(texts, ",")
}

// Repositories implements providers.RepositoryHolder.
func (b *restorer) Repositories(ctx context.Context, a providers.Artifact) (providers.RepositorySet, error) {
	set := providers.RepositorySet{Moved: map[string]string{}}
	for text := range strings.SplitSeq(a.Facts[factExcluded], ",") {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil {
			set.Excluded = append(set.Excluded, id)
		}
	}
	moves, err := b.moves(a)
	if err != nil {
		return set, err
	}
	for _, m := range moves {
		if ctx.Err() != nil {
			return set, context.Cause(ctx)
		}
		l := b.Config.layout()
		fact, top, depth := "path", filepath.Join(m.target, filepath.FromSlash(l.repositories)), l.depth
		if store, ok := strings.CutPrefix(m.name, "stores/"); ok {
			fact, top, depth = "store."+store, filepath.Join(m.target, "repositories"), 3
		}
		if a.Facts[fact] != "" {
			set.Moved[a.Facts[fact]] = m.target
		}
		if kind(m.name) != "home" && kind(m.name) != "data store" {
			continue
		}
		found, err := numbered(top, depth)
		if err != nil {
			return set, problem.Wrap(err, "repositories cannot be read", "")
		}
		if b.Config.mesh {
			for i := range found {
				found[i].Group = partition(found[i].Dir)
			}
		}
		set.Found = append(set.Found, found...)
	}
	return set, nil
}

// numbered finds what is named by a number, some folders deep. Other names are
// of no repository.
func numbered(dir string, depth int) ([]providers.Repository, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []providers.Repository
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if depth > 1 {
			if !e.IsDir() {
				continue
			}
			below, err := numbered(path, depth-1)
			if err != nil {
				return nil, err
			}
			out = append(out, below...)
			continue
		}
		if id, err := strconv.ParseInt(e.Name(), 10, 64); err == nil {
			out = append(out, providers.Repository{ID: id, Dir: path})
		}
	}
	return out, err
}

// partition is that of a replica at p/PARTITION/h/HIERARCHY/r/ID.
func partition(dir string) string {
	for range meshDepth - 1 {
		dir = filepath.Dir(dir)
	}
	return filepath.Base(dir)
}
