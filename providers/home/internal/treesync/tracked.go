package treesync

import (
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"bkp/internal/filemeta"
)

// tracked is Changes, made ready for a walk from the root. Its nil value knows
// nothing, and everything is walked.
type tracked struct {
	roots   []string
	folders map[string]map[string]bool
	// toward has, for every folder above one that changed, the names that lead
	// there.
	toward map[string][]string

	// files is true if Changes has some at all.
	files bool

	mu sync.Mutex
	// unseen are the files of Changes that no entry was found to be, so far.
	unseen map[filemeta.ID]struct{}
}

// newTracked adds to the changes all names of files that have several: who
// changes one of these describes one name at most.
func newTracked(c Changes, links map[filemeta.ID][]string) *tracked {
	t := &tracked{
		roots: c.Roots, folders: map[string]map[string]bool{}, toward: map[string][]string{},
		files: len(c.Files) > 0, unseen: map[filemeta.ID]struct{}{},
	}
	for folder, names := range c.Folders {
		t.folders[folder] = maps.Clone(names)
	}
	for _, names := range links {
		for _, rel := range names {
			t.add(rel)
		}
	}
	for _, id := range c.Files {
		t.unseen[id] = struct{}{}
	}
	t.lead()
	return t
}

// add makes an entry one that may have changed.
func (t *tracked) add(rel string) {
	folder := dirOf(rel)
	names := t.folders[folder]
	if names == nil {
		names = map[string]bool{}
		t.folders[folder] = names
	}
	if _, there := names[path.Base(rel)]; !there {
		names[path.Base(rel)] = false
	}
}

func (t *tracked) lead() {
	seen := map[string]bool{}
	for rel := range t.folders {
		for rel != "" && !seen[rel] {
			seen[rel] = true
			up := dirOf(rel)
			t.toward[up] = append(t.toward[up], path.Base(rel))
			rel = up
		}
	}
}

// saw notes that a file was looked at under one of its names.
func (t *tracked) saw(e *entry) {
	if t == nil || !t.files {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.unseen, filemeta.ID{Dev: e.dev, Ino: e.ino})
}

// covers reports whether all changes of a folder are known.
func (t *tracked) covers(rel string) bool {
	if t == nil {
		return false
	}
	return slices.ContainsFunc(t.roots, func(root string) bool {
		return root == "" || rel == root || strings.HasPrefix(rel, root+"/")
	})
}

// unchanged reports whether a folder and all below it can be passed over.
func (p *pass) unchanged(rel string) bool {
	t := p.tracked
	if !t.covers(rel) {
		return false
	}
	if _, changed := t.folders[rel]; changed || len(t.toward[rel]) > 0 {
		return false
	}
	// A folder that an earlier pass did not come to is not known.
	_, known := p.old.find(keyOf(rel))
	return known
}

// trusts reports whether the index and the tracker together know the folder, and
// returns its entries.
func (p *pass) trusts(w *worker, f *folder) (known, bool) {
	if f.deep || f.fresh || !p.tracked.covers(f.rel) {
		return known{}, false
	}
	entries, ok := p.old.folder(f.rel, w.old)
	w.old = entries
	return known{entries: entries, sure: true}, ok
}

// visitTracked copies the entries of the folder that changed, and goes on
// to the folders that lead to others.
func (p *pass) visitTracked(q *pool[*folder], w *worker, f *folder, k known) error {
	names, changed := p.tracked.folders[f.rel]
	names, unknown := p.withUnknown(f, names)
	f.changed = f.changed || changed || unknown
	found, err := p.mergeSome(w, f, names, k)
	if err == nil {
		found, err = p.findWay(f, names, found)
	}
	if err == nil && !f.changed {
		// Nothing changed in it: what the index has of it stays.
		for _, s := range p.subfolders(f, found) {
			q.push(s)
		}
		return nil
	}
	return p.finishFolder(q, w, f, w.merged, found, err)
}

// mergeSome is merge for some names. It leaves the folder's new entries in
// w.merged.
func (p *pass) mergeSome(w *worker, f *folder, changed map[string]bool, k known) ([]sub, error) {
	exclude := p.excluded(f.rel)
	w.entries, w.merged = w.entries[:0], w.merged[:0]
	var subs []sub
	i := 0
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		for i < len(k.entries) && k.entries[i].name < name {
			w.merged = append(w.merged, k.entries[i])
			i++
		}
		var old *entry
		if i < len(k.entries) && k.entries[i].name == name {
			old = &k.entries[i]
			i++
		}
		s, err := p.copyEntry(w, f, name, old, k, exclude)
		if err != nil {
			return nil, err
		}
		w.merged = append(w.merged, w.entries...)
		w.entries = w.entries[:0]
		if s != nil {
			s.deep = s.deep || changed[name]
			subs = append(subs, *s)
		}
	}
	w.merged = append(w.merged, k.entries[i:]...)
	return subs, nil
}

// copyEntry copies a single name, which may lead to nothing any more.
func (p *pass) copyEntry(w *worker, f *folder, name string, old *entry, k known, exclude func(string, bool) bool) (*sub, error) {
	if old != nil {
		p.uncount([]entry{*old})
	}
	now := p.Now()
	e, err := p.stat(f, name)
	if err != nil && !gone(err) {
		return nil, unreadable(p.full(f.path(name)), err)
	}
	if err != nil || e.isSocket() || exclude != nil && exclude(name, e.isDir()) {
		if old == nil {
			return nil, nil //nolint:nilnil // only folders have a sub
		}
		return nil, p.remove(f, name)
	}
	e.racy = e.changedSince(now)
	return p.entry(w, f, &e, old, k)
}

// withUnknown adds the folders on the way that the index does not hold: an
// earlier pass did not come to its end with them. They are walked whole.
func (p *pass) withUnknown(f *folder, names map[string]bool) (map[string]bool, bool) {
	found := false
	for _, name := range p.tracked.toward[f.rel] {
		if _, known := p.old.find(keyOf(f.path(name))); known {
			continue
		}
		if !found {
			names, found = maps.Clone(names), true
			if names == nil {
				names = map[string]bool{}
			}
		}
		names[name] = true
	}
	return names, found
}

// findWay adds the folders that lead to changed ones, and are not changed
// themselves.
func (p *pass) findWay(f *folder, names map[string]bool, found []sub) ([]sub, error) {
	for _, name := range p.tracked.toward[f.rel] {
		if _, done := names[name]; done {
			continue
		}
		e, err := p.stat(f, name)
		if err != nil && !gone(err) {
			return nil, unreadable(p.full(f.path(name)), err)
		}
		if err != nil || !e.isDir() {
			continue // whatever took its place is one of the names, now or in the next pass
		}
		rel := f.path(name)
		_, changed := p.tracked.folders[rel]
		if changed {
			p.next.drop(rel) // until its own turn has come
		}
		found = append(found, sub{entry: e, changed: changed})
	}
	return found, nil
}

// uncount takes entries out of the totals, before they are counted again. A
// full walk counts from nothing.
func (p *pass) uncount(entries []entry) {
	if p.tracked == nil {
		return
	}
	for i := range entries {
		if e := &entries[i]; !e.isDir() {
			p.files.Add(-1)
			p.bytes.Add(-e.weight())
		}
	}
}

// forgetTree takes back what is known of rel and of all below it.
func (p *pass) forgetTree(rel string) {
	if p.tracked == nil {
		p.next.dropTree(rel)
		return
	}
	entries, ok := p.old.folder(rel, nil)
	p.next.drop(rel)
	if !ok {
		return
	}
	p.uncount(entries)
	for i := range entries {
		if entries[i].isDir() {
			p.forgetTree(path.Join(rel, entries[i].name))
		}
	}
}

// complete reports whether the changes were enough: of each file with several
// names that changed all names were seen, and no file changed under a name that
// was not.
func (p *pass) complete() error {
	if p.tracked == nil {
		return nil
	}
	for _, g := range p.links.files {
		if g.changed && uint64(len(g.names)) < g.names[0].entry.links {
			return ErrIncomplete
		}
	}
	if len(p.tracked.unseen) > 0 && p.old.holds(p.tracked.unseen) {
		return ErrIncomplete
	}
	return nil
}
