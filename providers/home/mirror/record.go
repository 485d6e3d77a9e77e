package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/treesync"
)

// record joins the indexes of the parts, which lie in folders of the tree.
type record struct {
	dir   string
	parts map[string]*treesync.Record
}

// Record implements providers.Recorder. No pass follows in this run, so that its
// indexes are written now.
func (s *strategy) Record(ctx context.Context, a providers.Artifact) (providers.Record, error) {
	if a.Dir() != s.CopyDir() {
		return nil, fmt.Errorf("%w: %s is not the working copy %s", providers.ErrNotFound, a.Dir(), s.CopyDir())
	}
	for _, series := range s.series {
		if err := series.Sum(ctx); err != nil {
			return nil, err
		}
		if err := series.Commit(); err != nil {
			return nil, err
		}
	}
	r := &record{dir: a.Dir(), parts: map[string]*treesync.Record{}}
	for _, p := range s.Parts() {
		one, err := treesync.OpenRecord(s.index(p), p.Source)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.parts[p.Name] = one
	}
	return r, nil
}

// Folder implements providers.Record.
func (r *record) Folder(name string) ([]providers.Recorded, bool, error) {
	for part, one := range r.parts {
		if rel, ok := below(part, name); ok {
			return one.Folder(rel)
		}
	}
	entries := r.above(name)
	if len(entries) == 0 {
		return nil, false, nil
	}
	return r.withStrangers(name, entries), true, nil
}

// above returns the entries of a folder that holds parts.
func (r *record) above(name string) []providers.Recorded {
	var out []providers.Recorded
	for part := range r.parts {
		rel, ok := below(name, part)
		first, _, _ := strings.Cut(rel, "/")
		if ok && first != "" {
			out = append(out, providers.Recorded{Name: first, Type: fs.ModeDir})
		}
	}
	slices.SortFunc(out, func(a, b providers.Recorded) int { return cmp.Compare(a.Name, b.Name) })
	return slices.Compact(out)
}

// withStrangers adds what else lies beside the parts, such as the lost+found of a
// file system that is mounted there. No pass removes it, so it is as it should
// be.
func (r *record) withStrangers(name string, entries []providers.Recorded) []providers.Recorded {
	there, err := os.ReadDir(filepath.Join(r.dir, filepath.FromSlash(name)))
	if err != nil {
		return entries // the reader of the tree finds out
	}
	byName := func(e providers.Recorded, name string) int { return cmp.Compare(e.Name, name) }
	for _, e := range there {
		at, known := slices.BinarySearchFunc(entries, e.Name(), byName)
		if !known {
			entries = slices.Insert(entries, at, providers.Recorded{Name: e.Name(), Type: e.Type()})
		}
	}
	return entries
}

// below returns the path from a folder to name, which lies in it or is it; ""
// is the root.
func below(folder, name string) (string, bool) {
	switch folder {
	case "":
		return name, true
	case name:
		return "", true
	}
	return strings.CutPrefix(name, folder+"/")
}

// Intact implements providers.Record. Of a working copy each entry is compared.
func (r *record) Intact(context.Context) error { return nil }

// Close implements providers.Record.
func (r *record) Close() error {
	var err error
	for _, one := range r.parts {
		err = errors.Join(err, one.Close())
	}
	return err
}

// Distrust implements providers.Recorder.
func (s *strategy) Distrust(_ context.Context, _ providers.Artifact, folders []string) error {
	for _, p := range s.Parts() {
		if err := treesync.Distrust(s.index(p), p.Source, s.inPart(p, folders)); err != nil {
			return err
		}
	}
	return nil
}

// inPart returns the folders of the tree that lie in a part, by their path in it.
func (s *strategy) inPart(p home.Part, folders []string) []string {
	var out []string
	for _, name := range folders {
		if rel, ok := below(p.Name, path.Clean(name)); ok {
			out = append(out, rel)
		}
	}
	return out
}
