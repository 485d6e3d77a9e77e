package treesync

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bkp/providers"
)

// Compare holds the copy against its index by a stat of every entry. It writes
// nothing.
func (l Ledger) Compare(ctx context.Context) (Comparison, error) {
	old := openIndex(l.Index, l.Source)
	if old == nil {
		there, err := os.ReadDir(l.Copy)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return Comparison{Unknown: len(there) > 0}, err
	}
	defer old.close()
	s := l.begin(old)
	if err := s.walk(ctx); err != nil {
		return Comparison{}, err
	}
	c := Comparison{Indexed: true}
	for _, a := range s.aliens {
		c.Suspects = append(c.Suspects, a.Name)
	}
	c.Folders = s.unknown
	return c, nil
}

// Seal reads what is not as the index says and was written since, and replaces the
// index. What something else changed is returned, sorted by name, and the new
// index does not have the folders that it lies in.
func (l Ledger) Seal(ctx context.Context, w Written) ([]Alien, error) {
	old := openIndex(l.Index, l.Source)
	defer old.close()
	next, err := newIndexWriter(l.Index)
	if err != nil {
		return nil, indexError(err)
	}
	s := l.begin(old)
	s.next, s.written = next, w
	if err := s.walk(ctx); err != nil {
		next.abandon()
		return nil, err
	}
	if s.partial() {
		next.keep(old)
	}
	err = next.finish(info{Source: l.Source, Boot: bootID(), Run: rand.Text(), Files: s.files.Load(), Bytes: s.bytes.Load()})
	if err != nil {
		return nil, indexError(err)
	}
	return s.aliens, nil
}

// Synced brings the copy and its index to the disk, so that both are believed
// after a power cut too.
func (l Ledger) Synced() error {
	x, err := loadIndex(l.Index)
	if err != nil {
		return err
	}
	defer x.close()
	if err := SyncTree(l.Copy); err != nil {
		return err
	}
	return markSynced(l.Index, x.info.Run)
}

// sealing is one walk over a copy. Without next it only looks.
type sealing struct {
	Ledger
	old     *index
	next    *indexWriter
	written Written
	workers []*worker

	files, bytes atomic.Int64
	mu           sync.Mutex
	aliens       []Alien
	unknown      []string
}

// partial reports whether only some folders are looked at, and the index has the
// others already.
func (s *sealing) partial() bool { return s.old != nil && s.written.Folders != nil }

func (l Ledger) begin(old *index) *sealing {
	s := &sealing{Ledger: l, old: old}
	for range max(l.Workers, 1) {
		s.workers = append(s.workers, &worker{})
	}
	return s
}

func (s *sealing) walk(ctx context.Context) error {
	first := []string{""}
	if s.partial() {
		first = slices.Clone(s.written.Folders)
	}
	_, err := run(ctx, len(s.workers), first, func(q *pool[string], n int, rel string) error {
		return s.folder(ctx, q, s.workers[n], rel)
	})
	slices.SortFunc(s.aliens, func(a, b Alien) int { return strings.Compare(a.Name, b.Name) })
	return err
}

// folder takes the entries of one folder, and hands on the folders in it.
func (s *sealing) folder(ctx context.Context, q *pool[string], w *worker, rel string) error {
	dir, err := openFolderAt(here, s.Copy)
	if err == nil {
		dir, err = openBelow(dir, rel)
	}
	if err != nil && gone(err) {
		s.next.drop(rel)
		if s.next != nil && !s.partial() { // else its parent finds out
			s.alien(rel, "is gone")
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	names, err := w.copy.read(int(dir.Fd()))
	if err != nil {
		return err
	}
	var known bool
	w.old, known = s.old.folder(rel, w.old)
	if !known {
		w.old = w.old[:0]
		s.notIndexed(rel)
	}
	entries, intact, err := s.entries(ctx, w, dir, place{rel, known}, names)
	if err != nil {
		return err
	}
	for i := range entries {
		if entries[i].isDir() && !s.partial() {
			q.push(path.Join(rel, entries[i].name))
		}
	}
	if intact {
		w.encoded = s.next.add(rel, entries, w.encoded)
	} else {
		s.next.drop(rel)
	}
	return nil
}

func (s *sealing) notIndexed(rel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unknown = append(s.unknown, rel)
}

// place is a folder of the copy; known if the index has it.
type place struct {
	rel   string
	known bool
}

// entries looks at each entry of a folder, and at what the index has besides.
// intact is false if one of them is an alien.
func (s *sealing) entries(ctx context.Context, w *worker, dir *os.File, at place, names []string) (out []entry, intact bool, err error) {
	w.entries, intact = w.entries[:0], true
	old := w.old
	for _, name := range names {
		for len(old) > 0 && old[0].name < name {
			intact = s.missing(dir, at.rel, old[0].name) && intact
			old = old[1:]
		}
		var was *entry
		if len(old) > 0 && old[0].name == name {
			was, old = &old[0], old[1:]
		}
		e, err := statEntry(int(dir.Fd()), name)
		if err != nil {
			return nil, false, err
		}
		if e.isSocket() { // rsync makes them, and no archive takes them
			continue
		}
		how, err := s.entry(ctx, w, dir, at, &e, was)
		if err != nil {
			return nil, false, err
		}
		if how != "" {
			s.alien(path.Join(at.rel, name), how)
			intact = false
		}
		if !e.isDir() {
			s.files.Add(1)
			s.bytes.Add(e.weight())
		}
		w.entries = append(w.entries, e)
	}
	for i := range old {
		intact = s.missing(dir, at.rel, old[i].name) && intact
	}
	return w.entries, intact, nil
}

// missing notes an entry that the copy lost, and reports whether the program may
// have removed it. A look does not ask: what the copy lacks is copied anyway.
//
// What is gone has no time of its own: that of its folder says whether an entry went
// after the program had written everything.
func (s *sealing) missing(dir *os.File, rel, name string) bool {
	rel = path.Join(rel, name)
	if s.next == nil || !s.lateFolder(dir) && (s.written.By == nil || s.written.By(rel)) {
		return true
	}
	s.alien(rel, "is gone")
	return false
}

func (s *sealing) lateFolder(dir *os.File) bool {
	e, err := statEntry(int(dir.Fd()), ".")
	return err == nil && s.late(&e)
}

// entry gives e its digest, and says how it differs if something else than the
// program changed it.
func (s *sealing) entry(ctx context.Context, w *worker, dir *os.File, at place, e, was *entry) (how string, err error) {
	if e.isDir() {
		return s.folderEntry(at, e, was), nil
	}
	if was != nil && was.same(e) {
		e.sum, e.summed = was.sum, was.summed
		return "", nil
	}
	if s.next == nil {
		return "differs", nil
	}
	if err := w.sumEntry(ctx, dir, e); err != nil {
		return "", err
	}
	if s.wrote(at.rel, e) || was != nil && was.kind() == e.kind() && was.summed && was.sum == e.sum {
		return "", nil // or no more than its mode, or its number of names, changed
	}
	switch {
	case s.late(e):
		return "changed after it was copied", nil
	case was == nil:
		return "was added", nil
	}
	return "has other content", nil
}

// folderEntry is entry for a folder, whose times change with its entries.
func (s *sealing) folderEntry(at place, e, was *entry) string {
	if s.next == nil || !at.known || was != nil && was.isDir() || s.wrote(at.rel, e) {
		return ""
	}
	return "was added"
}

// wrote reports whether the program may have left the entry as it is.
func (s *sealing) wrote(rel string, e *entry) bool {
	return !s.late(e) && (s.written.By == nil || s.written.By(path.Join(rel, e.name)))
}

// late reports whether something happened to an entry after the program had written
// everything.
func (s *sealing) late(e *entry) bool {
	return !s.written.Until.IsZero() && time.Unix(e.ctime, e.ctimeNano).After(s.written.Until)
}

func (s *sealing) alien(rel, how string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aliens = append(s.aliens, Alien{rel, how})
}

// sumEntry reads the content of a file, or the target of a symbolic link, for its
// digest. What has more holes than are worth reading gets none.
func (w *worker) sumEntry(ctx context.Context, dir *os.File, e *entry) error {
	if e.kind() == syscall.S_IFLNK {
		target, err := readlinkAt(int(dir.Fd()), e.name)
		if err == nil {
			e.setSum(providers.Sum([]byte(target)))
		}
		return err
	}
	if !e.isRegular() {
		return nil
	}
	f, err := openFileAt(int(dir.Fd()), e.name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if many, err := hasManyHoles(f); err != nil || many {
		return err
	}
	sum, err := w.sumOf(ctx, f)
	if err == nil {
		e.setSum(sum)
	}
	return err
}
