package treesync

import (
	"context"
	"os"
	"slices"
	"time"
)

// merge walks the sorted names of the source beside what is known of the copy.
// It leaves the folder's new entries in w.entries and returns the folders
// among them.
func (p *pass) merge(w *worker, f *folder, names []string, k known) ([]sub, error) {
	exclude := p.excluded(f.rel)
	w.entries = w.entries[:0]
	var subs []sub
	if f.far {
		w.looked = p.asker.all(p.ctx, w.looked, names, func(name string) (entry, error) { return p.stat(f, name) })
	}
	i := 0
	for n, name := range names {
		if err := p.ctx.Err(); err != nil {
			return nil, context.Cause(p.ctx)
		}
		e, now, err := p.seen(w, f, n, name)
		if err != nil {
			// What is left out comes and goes as it likes.
			if exclude != nil && exclude(name, true) {
				continue
			}
			if err := p.vanished(f.path(name), err); err != nil {
				return nil, err
			}
			continue
		}
		if exclude != nil && exclude(name, e.isDir()) {
			continue
		}
		if e.isSocket() {
			p.sockets.Add(1)
			continue
		}
		for i < len(k.entries) && k.entries[i].name < name {
			if err := p.remove(f, k.entries[i].name); err != nil {
				return nil, err
			}
			i++
		}
		var old *entry
		if i < len(k.entries) && k.entries[i].name == name {
			old = &k.entries[i]
			i++
		}
		e.racy = e.changedSince(now)
		s, err := p.entry(w, f, &e, old, k)
		if err != nil {
			return nil, err
		}
		if s != nil {
			subs = append(subs, *s)
		}
	}
	for ; i < len(k.entries); i++ {
		if err := p.remove(f, k.entries[i].name); err != nil {
			return nil, err
		}
	}
	return subs, p.removeStrangers(w, f, k)
}

// removeStrangers deletes what was found in the copy, rather than known of it,
// and has no place there.
func (p *pass) removeStrangers(w *worker, f *folder, k known) error {
	for _, name := range k.names {
		_, stays := slices.BinarySearchFunc(w.entries, name, func(e entry, n string) int {
			switch {
			case e.name < n:
				return -1
			case e.name > n:
				return 1
			}
			return 0
		})
		if stays || f.rel == "" && slices.Contains(p.Spare, name) {
			continue
		}
		if err := p.remove(f, name); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) excluded(rel string) func(string, bool) bool {
	if p.Exclude == nil {
		return nil
	}
	return p.Exclude(rel)
}

func (p *pass) stat(f *folder, name string) (entry, error) {
	if err := p.fault("stat", f.path(name)); err != nil {
		return entry{}, err
	}
	return f.stat(name)
}

// seen is what a stat sees of entry n, and the time from which its racy window
// counts: before the stat.
func (p *pass) seen(w *worker, f *folder, n int, name string) (entry, time.Time, error) {
	if f.far {
		l := w.looked[n]
		return l.entry, l.at, l.err
	}
	now := p.Now()
	e, err := p.stat(f, name)
	return e, now, err
}

// entry brings one entry up to date and notes it in w.entries.
func (p *pass) entry(w *worker, f *folder, e, old *entry, k known) (*sub, error) {
	if old == nil && !k.sure {
		// Nobody knows what the copy has there: look.
		looked, err := p.inCopy(f, e.name, k)
		if err != nil {
			return nil, err
		}
		if looked != nil {
			looked.racy = true
			old = looked
		}
	}
	if old != nil && old.kind() != e.kind() {
		if err := p.remove(f, e.name); err != nil {
			return nil, err
		}
		old = nil
	}
	if e.isDir() {
		return p.folderEntry(w, f, e, old)
	}
	p.tracked.saw(e)
	p.files.Add(1)
	p.bytes.Add(e.weight())
	unchanged := old != nil && !old.racy && old.same(e)
	if unchanged {
		e.sum, e.summed = old.sum, old.summed
	}
	if e.isLinked() {
		p.links.add(f, *e, old)
		w.entries = append(w.entries, *e)
		return nil, nil //nolint:nilnil // only folders have a sub
	}
	if !unchanged || p.lacksSum(e) {
		ok, err := p.update(w, f, e, old)
		if err != nil || !ok {
			p.files.Add(-1)
			p.bytes.Add(-e.weight())
			return nil, err
		}
	}
	w.entries = append(w.entries, *e)
	return nil, nil //nolint:nilnil // only folders have a sub
}

func (p *pass) folderEntry(w *worker, f *folder, e, old *entry) (*sub, error) {
	s := &sub{entry: *e}
	switch {
	case old == nil:
		dst, err := f.writable()
		if err == nil {
			err = p.fault("mkdir", f.path(e.name))
		}
		if err == nil {
			err = mkdirAt(int(dst.Fd()), e.name)
		}
		if err != nil {
			return nil, p.copyError(f.path(e.name), err)
		}
		s.fresh = true
	case old.racy || !old.same(e):
		s.changed, s.deep = true, old.ino != e.ino
	}
	if s.fresh || s.changed {
		// The index must not list the folder until its own turn has come:
		// what an earlier pass left may be of another folder, and mode and
		// times are set last.
		p.next.drop(f.path(e.name))
	}
	w.entries = append(w.entries, *e)
	return s, nil
}

// inCopy looks what the copy has under a name; nil if nothing.
func (p *pass) inCopy(f *folder, name string, k known) (*entry, error) {
	if _, ok := slices.BinarySearch(k.names, name); !ok {
		return nil, nil //nolint:nilnil // nothing there is an answer
	}
	dst, err := f.copyDir()
	if err != nil {
		return nil, p.copyError(f.rel, err)
	}
	e, err := statEntry(int(dst.Fd()), name)
	if err != nil {
		return nil, p.copyError(f.path(name), err)
	}
	return &e, nil
}

func (p *pass) remove(f *folder, name string) error {
	dst, err := f.writable()
	// A removal that fails half-way leaves folders in an unknown state.
	p.forgetTree(f.path(name))
	if err == nil {
		err = p.fault("remove", f.path(name))
	}
	if err == nil {
		err = removeAt(int(dst.Fd()), name)
	}
	if err != nil {
		return p.copyError(f.path(name), err)
	}
	p.deleted.Add(1)
	return nil
}

// tempIn gives f a name for what is not complete yet, and the folder of the
// copy that it belongs to.
func (p *pass) tempIn(f *folder) (*os.File, string, error) {
	dst, err := f.writable()
	if err != nil {
		return nil, "", err
	}
	return dst, tempName(p.temp.Add(1)), nil
}
