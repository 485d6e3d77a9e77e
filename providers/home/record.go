package home

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
	"bkp/providers/home/internal/treesync"
)

// record joins the indexes of the parts, which lie in folders of the tree.
type record struct {
	dir    string
	parts  map[string]*treesync.Record
	damage *providers.DamageError
}

// Index is the file that remembers what the working copy of a part holds.
func (b *Base) Index(p Part) string {
	return filepath.Join(b.Env.WorkDir, "index-"+strings.ReplaceAll(p.Name, "/", "-"))
}

// OwnCopy returns an error that wraps providers.ErrNotFound if a's tree is not the
// working copy.
func (b *Base) OwnCopy(a providers.Artifact) error {
	if a.Dir() != b.CopyDir() {
		return fmt.Errorf("%w: %s is not the working copy %s", providers.ErrNotFound, a.Dir(), b.CopyDir())
	}
	return nil
}

// OpenRecord opens the indexes as the record of the working copy. damage is what
// is known to be wrong with it already, or nil.
func (b *Base) OpenRecord(damage *providers.DamageError) (providers.Record, error) {
	r := &record{dir: b.CopyDir(), parts: map[string]*treesync.Record{}, damage: damage}
	for _, p := range b.Parts() {
		one, err := treesync.OpenRecord(b.Index(p), p.Source)
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

// Intact implements providers.Record. What is not known to be damaged is compared,
// entry by entry.
func (r *record) Intact(context.Context) error {
	if r.damage == nil {
		return nil
	}
	return r.damage
}

// Close implements providers.Record.
func (r *record) Close() error {
	var err error
	for _, one := range r.parts {
		err = errors.Join(err, one.Close())
	}
	return err
}

// DistrustCopy takes folders of the working copy, by their names in its tree, out
// of the indexes.
func (b *Base) DistrustCopy(folders []string) error {
	for _, p := range b.Parts() {
		if err := treesync.Distrust(b.Index(p), p.Source, inPart(p, folders)); err != nil {
			return err
		}
	}
	return nil
}

// inPart returns the folders of the tree that lie in a part, by their path in it.
func inPart(p Part, folders []string) []string {
	var out []string
	for _, name := range folders {
		if rel, ok := below(p.Name, path.Clean(name)); ok {
			out = append(out, rel)
		}
	}
	return out
}
