package treesync

import (
	"context"
	"os"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"
)

// suspectNames is how many of the entries that differ are named.
const suspectNames = 3

// suspects collects what workers find. It is safe for concurrent use.
type suspects struct {
	mu    sync.Mutex
	found []string
	// folders are the blocks that are not believed any more.
	folders map[key]struct{}
}

// distrust takes the folders out of the index whose copy is not what the last
// run left, so that the pass compares them byte by byte. It costs a stat an
// entry of the copy, which the archive reads afterwards anyway.
//
// A change of the content leaves a ctime that is younger than the index: it was
// written last, on the same file system, by the same clock.
func (x *index) distrust(ctx context.Context, o Options) (Suspects, error) {
	if x == nil {
		return Suspects{}, nil
	}
	st, err := x.f.Stat()
	if err != nil {
		return Suspects{}, err
	}
	s := &suspects{folders: map[key]struct{}{}}
	tasks := slices.Collect(slices.Chunk(x.table, 64))
	workers := max(o.Workers, 1)
	lists := make([]listing, workers)
	_, err = run(ctx, workers, tasks, func(_ *pool[[]block], n int, blocks []block) error {
		var entries []entry
		for _, b := range blocks {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			entries = x.distrustFolder(s, o, &lists[n], b, st.ModTime(), entries)
		}
		return nil
	})
	if err != nil {
		return Suspects{}, err
	}
	x.table = slices.DeleteFunc(x.table, func(b block) bool { _, gone := s.folders[b.key]; return gone })
	slices.Sort(s.found)
	return Suspects{Count: len(s.found), Names: s.found[:min(len(s.found), suspectNames)]}, nil
}

func (x *index) distrustFolder(s *suspects, o Options, l *listing, b block, left time.Time, entries []entry) []entry {
	raw, err := x.read(b)
	rel := ""
	if err == nil {
		rel, entries, err = decodeFolder(raw, entries)
	}
	if err != nil {
		s.add(b.key) // the pass does not believe it either
		return entries
	}
	top, err := openFolderAt(o.above(), o.Copy)
	var dir *os.File
	if err == nil {
		dir, err = openBelow(top, rel)
	}
	if err != nil {
		// Its parent names it, unless that is gone too.
		s.add(b.key)
		return entries
	}
	defer func() { _ = dir.Close() }()
	names, err := l.read(int(dir.Fd()))
	if err != nil {
		s.add(b.key, path.Join(rel, "."))
		return entries
	}
	if bad := differing(int(dir.Fd()), entries, names, left, o.spare(rel)); len(bad) > 0 {
		for i := range bad {
			bad[i] = path.Join(rel, bad[i])
		}
		s.add(b.key, bad...)
	}
	return entries
}

// spare are names that stay in the copy's folder though the source lacks them.
func (o Options) spare(rel string) []string {
	if rel != "" {
		return nil
	}
	return o.Spare
}

// differing returns the names under which the copy does not have what the index
// says, or has what it does not know. Both lists are sorted.
func differing(dir int, entries []entry, names []string, left time.Time, spare []string) []string {
	var bad []string
	for i := range entries {
		want := &entries[i]
		have, err := statEntry(dir, want.name)
		if err != nil || !want.isCopy(&have, left) {
			bad = append(bad, want.name)
		}
	}
	for _, name := range names {
		_, known := slices.BinarySearchFunc(entries, name, func(e entry, n string) int {
			switch {
			case e.name < n:
				return -1
			case e.name > n:
				return 1
			}
			return 0
		})
		if !known && !slices.Contains(spare, name) {
			bad = append(bad, name)
		}
	}
	return bad
}

// isCopy reports whether have may be the copy of e that was left at that time.
// Owners are not asked: not every user may set them.
func (e *entry) isCopy(have *entry, left time.Time) bool {
	if e.kind() != have.kind() {
		return false
	}
	if e.kind() == syscall.S_IFLNK {
		return time.Unix(have.ctime, have.ctimeNano).Compare(left) <= 0
	}
	if e.racy {
		return true // it is compared anyway, and may be of an older state
	}
	if e.mode&0o777 != have.mode&0o777 {
		return false
	}
	return !e.isRegular() || e.size == have.size && time.Unix(have.ctime, have.ctimeNano).Compare(left) <= 0
}

func (s *suspects) add(k key, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.folders[k] = struct{}{}
	s.found = append(s.found, names...)
}
