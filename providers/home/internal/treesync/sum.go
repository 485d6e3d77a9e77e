package treesync

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"sync"

	"bkp/internal/filemeta"
	"bkp/providers"
)

// sums are digests that a pass does not have yet when it notes an entry. It is
// safe for concurrent use.
type sums struct {
	mu sync.Mutex
	// found are those of files with several names, by name, which are copied last.
	found map[string]uint64
	// pending are files whose content the kernel copied under the lock. They are
	// read after it.
	pending []string
}

func (s *sums) find(rel string, sum uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil {
		s.found = map[string]uint64{}
	}
	s.found[rel] = sum
}

func (s *sums) pend(rel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, rel)
}

func (e *entry) setSum(sum uint64) { e.sum, e.summed = sum, true }

// keepsSums reports whether the pass leaves an index, and digests in it.
func (p *pass) keepsSums() bool { return p.Index != "" }

// lacksSum reports whether the entry's content was never read for its digest,
// which a live pass makes good. What is so large may be holes.
func (p *pass) lacksSum(e *entry) bool {
	return p.keepsSums() && !p.Strict && !e.summed && e.isRegular() && e.size <= mostHoles
}

// sumOf returns the digest of a file from its beginning to its end. It moves
// the file's offset.
func (w *worker) sumOf(ctx context.Context, f *os.File) (uint64, error) {
	w.a = buffer(w.a)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	h := providers.NewSummer()
	for {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		n, err := f.Read(w.a)
		_, _ = h.Write(w.a[:n])
		if errors.Is(err, io.EOF) {
			return h.Sum64(), nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// mostHoles is how many bytes of holes are read for a digest. A file with more has
// none.
const mostHoles = 1 << 30

func hasManyHoles(f *os.File) (bool, error) {
	fi, err := f.Stat()
	if err != nil {
		return false, sourceError{err}
	}
	m := filemeta.FromInfo(fi)
	return m.Size-m.Allocated > mostHoles, nil
}

// errHoles is about a file that has no digest for its holes.
var errHoles = errors.New("too many holes")

// sumCopied notes the digest of what the kernel copied, which is read again for
// it: at once while users work, else after the lock.
func (p *pass) sumCopied(w *worker, f *folder, e *entry, src, dst *os.File) error {
	if !p.keepsSums() {
		return nil
	}
	if many, err := hasManyHoles(src); err != nil || many {
		return err
	}
	if p.Strict {
		p.sums.pend(f.path(e.name))
		return nil
	}
	sum, err := w.sumOf(p.ctx, dst)
	if err == nil {
		e.setSum(sum)
	}
	return err
}

// copyDense copies size bytes without holes and notes their digest.
func (p *pass) copyDense(w *worker, e *entry, src, dst *os.File) error {
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return sourceError{err}
	}
	w.a = buffer(w.a)
	h := providers.NewSummer()
	for left := e.size; left > 0; {
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		b := w.a[:min(left, smallFile)]
		if _, err := io.ReadFull(src, b); err != nil {
			return shortRead(err)
		}
		_, _ = h.Write(b)
		if _, err := dst.Write(b); err != nil {
			return err
		}
		left -= int64(len(b))
	}
	e.setSum(h.Sum64())
	return nil
}

// isDense reports whether ranges are one that holds all of size bytes.
func isDense(ranges []filemeta.Range, size int64) bool {
	return len(ranges) == 1 && ranges[0].Offset == 0 && ranges[0].Length >= size
}

// sumLinks notes the digest of a file for all its names; leader is the one whose
// content was copied, or had not changed.
func (p *pass) sumLinks(g *linked, leader *entry) {
	if !p.keepsSums() || leader == nil {
		return
	}
	for i := range g.names {
		if leader.summed {
			p.sums.find(g.names[i].rel, leader.sum)
		} else {
			p.sums.pend(g.names[i].rel)
		}
	}
}

// Sum reads the files whose digest the passes under the lock left out, because
// reading would have taken time. What cannot be read stays without one.
func (s *Series) Sum(ctx context.Context) error {
	if len(s.pending) == 0 || s.writer == nil {
		return nil
	}
	w := &worker{}
	found := map[string]uint64{}
	for _, rel := range s.pending {
		sum, err := s.sumCopy(ctx, w, rel)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			found[rel] = sum
		}
	}
	s.pending = nil
	return s.amend(found)
}

func (s *Series) sumCopy(ctx context.Context, w *worker, rel string) (uint64, error) {
	top, err := openFolderAt(s.options.above(), s.options.Copy)
	if err != nil {
		return 0, err
	}
	dir, err := openBelow(top, dirOf(rel))
	if err != nil {
		return 0, err
	}
	defer func() { _ = dir.Close() }()
	f, err := openFileAt(int(dir.Fd()), path.Base(rel))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	if many, err := hasManyHoles(f); err != nil || many {
		return 0, errors.Join(err, errHoles)
	}
	return w.sumOf(ctx, f)
}

// amend adds digests, by name, to entries that have none.
func (s *Series) amend(found map[string]uint64) error {
	if len(found) == 0 || s.writer == nil {
		return nil
	}
	folders := map[string][]string{}
	for rel := range found {
		folders[dirOf(rel)] = append(folders[dirOf(rel)], rel)
	}
	for dir, names := range folders {
		entries, ok := s.index.folder(dir, nil)
		if !ok {
			continue
		}
		for i := range entries {
			rel := path.Join(dir, entries[i].name)
			if e := &entries[i]; slices.Contains(names, rel) && !e.summed && e.isRegular() {
				e.setSum(found[rel])
			}
		}
		s.writer.add(dir, entries, nil)
	}
	err := s.writer.flush()
	s.writer.table = latest(s.writer.table)
	s.index.table = s.writer.table
	return err
}
