package treesync

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
)

// Series is the passes of one run over one copy: a full one first, then
// whatever brings the copy closer to the source. What they learn stays in memory
// and in a file that is not the index yet, until Commit. It is not safe for
// concurrent use.
type Series struct {
	options Options
	// index is what the copy holds; nil if nobody knows.
	index *index
	// writer has the blocks of index, once a pass was made.
	writer *indexWriter
	info   info
	// links are the names of files that have several.
	links map[filemeta.ID][]string
	begun bool
	// suspects are what the first pass found changed in the copy.
	suspects Suspects
	// pending are files whose digest is still unknown.
	pending []string
}

// Suspects are what something else changed in the copy since the last run. The
// first pass has compared it with the source and replaced what differs.
func (s *Series) Suspects() Suspects { return s.suspects }

// Begin returns a series over the copy that o describes; o.Strict and o.Durable
// do not matter. Nothing is touched yet. The caller closes the series.
func Begin(o Options) *Series {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Series{options: o}
}

// Sync makes the copy equal to the source.
//
// It may be called again after any error, cancellation or crash, with the same
// index: the copy is then right once it returns nil.
func Sync(ctx context.Context, o Options) (Result, error) {
	s := Begin(o)
	defer s.Close()
	res, err := s.Full(ctx, o.Strict)
	if !s.begun {
		return res, err
	}
	if err == nil {
		err = s.Sum(ctx)
	}
	return res, s.commit(err, o.Durable)
}

// Full walks the whole source and makes the copy equal to it; see Options for
// strict. It may be repeated.
func (s *Series) Full(ctx context.Context, strict bool) (Result, error) {
	return s.pass(ctx, strict, nil)
}

// Changed makes the copy equal to the source, and looks only at what may have
// changed since the last pass began. A full pass without an error must have
// come before, as must have passes for all changes since then.
func (s *Series) Changed(ctx context.Context, strict bool, c Changes) (Result, error) {
	if s.writer == nil {
		return Result{}, ErrIncomplete
	}
	return s.pass(ctx, strict, newTracked(c, s.links))
}

func (s *Series) pass(ctx context.Context, strict bool, t *tracked) (Result, error) {
	o := s.options
	o.Strict = strict
	root, err := openRoots(o)
	if err != nil {
		return Result{}, err
	}
	defer root.release()
	p := &pass{Options: o, ctx: ctx, tracked: t, asker: newAsker(o.Now)}
	for range max(o.Workers, farRequests) {
		p.workers = append(p.workers, &worker{})
	}
	if err := s.prepare(p); err != nil {
		return Result{}, err
	}
	pending, err := run(ctx, max(o.Workers, 1), []*folder{root.retain()}, p.visit)
	for _, f := range pending {
		f.release()
	}
	if err == nil {
		err = p.complete()
	}
	if err == nil {
		err = p.link()
	}
	return p.result(), s.finishPass(p, err)
}

// prepare gives the pass what is known, and a place for what it will know.
func (s *Series) prepare(p *pass) error {
	if !s.begun {
		s.index = openIndex(s.options.Index, s.options.Source)
		var err error
		if s.suspects, err = s.index.distrust(p.ctx, s.options); err != nil {
			s.index.close()
			s.index = nil
			return err
		}
		// From here on the copy changes, so the index must not outlive a crash.
		if err := forget(s.options.Index); err != nil {
			return err
		}
		s.begun = true
	}
	p.old = s.index
	if p.tracked != nil {
		p.next = s.writer.more()
		p.files.Store(s.info.Files)
		p.bytes.Store(s.info.Bytes)
		return nil
	}
	var err error
	p.next, err = newIndexWriter(s.options.Index)
	return err
}

// finishPass takes over what the pass knows, of one that failed too.
func (s *Series) finishPass(p *pass, err error) error {
	if err != nil {
		p.forgetLinks()
	}
	switch {
	case p.tracked != nil:
		p.next.overlay(s.index)
	case err != nil:
		p.next.keep(p.old)
	}
	if e := p.next.flush(); e != nil && err == nil {
		err = indexError(e)
	}
	s.rememberLinks(p)
	s.info = info{Source: p.Source, Boot: bootID(), Run: rand.Text(), Files: p.files.Load(), Bytes: p.bytes.Load()}
	if p.next == nil {
		return err
	}
	if s.index != nil && s.index.f != p.next.f {
		s.index.close()
	}
	s.writer = p.next
	s.index = &index{f: p.next.f, info: s.info, table: p.next.table}
	s.pending = append(s.pending, p.sums.pending...)
	if e := s.amend(p.sums.found); e != nil && err == nil {
		err = indexError(e)
	}
	return err
}

func (s *Series) rememberLinks(p *pass) {
	if p.tracked == nil || s.links == nil {
		s.links = map[filemeta.ID][]string{}
	}
	for id, g := range p.links.files {
		s.links[id] = nil
		for _, n := range g.names {
			s.links[id] = append(s.links[id], n.rel)
		}
	}
}

// Commit writes the index, so that the next run believes the copy. It is
// believed until the machine boots again; see Synced.
func (s *Series) Commit() error { return s.commit(nil, false) }

func (s *Series) commit(failed error, durable bool) error {
	o := s.options
	if failed == nil && durable {
		s.info.Durable = SyncTree(o.Copy) == nil
	}
	if o.Fault != nil {
		if err := o.Fault("index", o.Index); err != nil {
			return errors.Join(failed, err)
		}
	}
	if s.writer == nil {
		return failed
	}
	err := s.writer.finish(s.info)
	// What was written is the index now, and no more is added to it.
	s.writer, s.index = nil, nil
	if err != nil && failed == nil {
		return indexError(err)
	}
	return failed
}

func indexError(err error) error {
	return problem.Wrap(err, "index of the working copy cannot be written", "make room in the state folder")
}

// Synced brings the copy and its index to the disk, so that the next run
// believes them after a power cut too. Call it after Commit.
func (s *Series) Synced() error {
	if err := SyncTree(s.options.Copy); err != nil {
		return err
	}
	return markSynced(s.options.Index, s.info.Run)
}

// Close ends the series. Without Commit there is no index then, and the next
// run compares the copy byte by byte. It may be called twice.
func (s *Series) Close() {
	if s.writer != nil {
		s.writer.abandon()
		s.writer, s.index = nil, nil
		return
	}
	if s.index != nil {
		s.index.close()
		s.index = nil
	}
}
