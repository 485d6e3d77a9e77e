package rsync

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers/home"
	"bkp/providers/home/internal/treesync"
)

// A live pass lists files by size and time and reads them later, by their
// names. What took a name in between is stored under the listed size and time,
// and a file of several names even gets the content of what replaced another
// one of them. From then on rsync finds nothing to do there. So whatever changed
// since a live pass began is sent once more, live, whatever its size and time
// are; and what of that changed while it was sent, once more under the lock,
// where it is few, with what is copied there anyway.

// tick is more than the grain of the clock by which a file system notes that a
// file changed, 10 ms at most on Linux.
const tick = 20 * time.Millisecond

// unconfirmed is what live passes may have stored with another file's content.
type unconfirmed struct {
	// since is when the first live pass began that nothing confirmed yet; zero
	// if all are confirmed.
	since time.Time
	// sent is what was sent since.
	sent []batch
	// again has by part what is to be sent under the lock; joined are the parts
	// after a pass has copied it with the changes that are known by name.
	again  map[int][]string
	joined map[int]bool
}

// batch is files of a part that were sent live, from begun on.
type batch struct {
	part  int
	names []string
	begun time.Time
}

// marker records, across runs, that a live pass was not confirmed: a run that
// ends before its capture leaves what it stored to the next one.
func (s *strategy) marker() string { return filepath.Join(s.Env.WorkDir, "unconfirmed") }

// markUnconfirmed records that a live pass begins now.
func (s *strategy) markUnconfirmed() error {
	if !s.torn.since.IsZero() {
		return nil
	}
	s.torn.since = time.Now().Add(-tick)
	text, err := os.ReadFile(s.marker())
	var earlier time.Time
	switch {
	case err == nil && earlier.UnmarshalText(text) == nil:
		s.torn.since = earlier
		return nil
	case err == nil:
		s.torn.since = time.Unix(0, 0) // damaged: everything is sent once more
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	text, err = s.torn.since.MarshalText()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.marker(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// sendChanged sends, while users work, what changed since the live passes began, as
// far as the pass before walked it: what changed by name is sent by its name.
func (s *strategy) sendChanged(ctx context.Context, changes map[int]treesync.Changes) error {
	begun, sent := time.Now().Add(-tick), map[int][]string{}
	for i, p := range s.Parts() {
		known := ""
		if c, tracked := changes[i]; tracked {
			if known = c.Roots[0]; known == "" {
				continue
			}
		}
		names, err := changedIn(ctx, p, s.torn.since, known)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			sent[i] = names
			s.torn.sent = append(s.torn.sent, batch{i, names, begun})
		}
	}
	return s.send(ctx, false, sent)
}

// question finds, under the lock, what changed while it was sent.
func (s *strategy) question(ctx context.Context) error {
	s.torn.again, s.torn.joined = map[int][]string{}, map[int]bool{}
	parts := s.Parts()
	for _, b := range s.torn.sent {
		files, err := changed(ctx, parts[b.part], b.names, b.begun)
		if err != nil {
			return err
		}
		s.torn.again[b.part] = append(s.torn.again[b.part], files...)
	}
	return nil
}

// join adds to what a pass under the lock copies by its names what is to be
// sent: one rsync takes no longer for it.
func (u *unconfirmed) join(part int, named []string) []string {
	if u.joined == nil {
		return named // a live pass
	}
	u.joined[part] = true
	all := append(slices.Clone(named), u.again[part]...)
	slices.Sort(all)
	return slices.Compact(all)
}

// owe adds what a pass under the lock was to copy by its names when it walks
// everything by sizes and times instead.
func (u *unconfirmed) owe(ctx context.Context, part int, p home.Part, c treesync.Changes) error {
	if u.joined == nil {
		return nil // a live pass
	}
	clear(u.joined)
	var names []string
	for folder, entries := range c.Folders {
		for name := range entries {
			names = append(names, path.Join(folder, name))
		}
	}
	files, err := changed(ctx, p, names, time.Time{})
	u.again[part] = append(u.again[part], files...)
	return err
}

// confirm sends, under the lock, what no pass has taken along. From then on
// nothing is in question.
func (s *strategy) confirm(ctx context.Context) error {
	for part := range s.torn.joined {
		delete(s.torn.again, part)
	}
	if err := s.send(ctx, true, s.torn.again); err != nil {
		return err
	}
	s.torn = unconfirmed{}
	if err := os.Remove(s.marker()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
	}
	return nil
}

// changed returns which of the names have a file that changed since then, and all other names of those files: rsync would part what it is
// not given together.
func changed(ctx context.Context, p home.Part, names []string, since time.Time) ([]string, error) {
	found, known, links := map[string]bool{}, map[filemeta.ID]uint64{}, map[filemeta.ID]uint64{}
	for _, rel := range names {
		m, err := filemeta.Stat(filepath.Join(p.Source, filepath.FromSlash(rel)))
		if err != nil || m.Mode.IsDir() || m.ChangeTime.Before(since) || found[rel] {
			continue // as it was sent, or gone, and with it from the copy
		}
		found[rel] = true
		known[m.ID]++
		links[m.ID] = m.Links
	}
	for id, n := range known {
		if n == links[id] {
			delete(known, id)
		}
	}
	if len(known) == 0 {
		return slices.Sorted(maps.Keys(found)), nil
	}
	err := walk(ctx, p, "", func(rel string, m filemeta.Meta) {
		if _, wanted := known[m.ID]; wanted && !m.Mode.IsDir() {
			found[rel] = true
		}
	})
	return slices.Sorted(maps.Keys(found)), err
}

// send copies files whatever their sizes and times are.
func (s *strategy) send(ctx context.Context, strict bool, files map[int][]string) error {
	for i, p := range s.Parts() {
		if len(files[i]) == 0 {
			continue
		}
		if err := s.run(ctx, strict, p, namedArguments(*s.able, p, s.CopyOf(p)), files[i]); err != nil {
			return err
		}
	}
	return nil
}

// changedIn returns the files of a part that changed since then by size or time,
// but not those below the folder known, if that is not "". All names of a
// file are among them: they share its time.
func changedIn(ctx context.Context, p home.Part, since time.Time, known string) ([]string, error) {
	var found []string
	moved := "" // the folder, with a slash, below which everything counts
	err := walk(ctx, p, known, func(rel string, m filemeta.Meta) {
		below, changed := moved != "" && strings.HasPrefix(rel, moved), !m.ChangeTime.Before(since)
		switch {
		case m.Mode.IsDir() && changed && !below && m.ChangeTime.After(m.ModTime):
			// No entry of it came or went: it was renamed, perhaps to where it was,
			// and the files below show nothing of that.
			moved = rel + "/"
		case !m.Mode.IsDir() && (below || changed):
			found = append(found, rel)
		}
	})
	slices.Sort(found)
	return found, err
}

// walk visits what a part holds, but for what its rules leave out and for the
// folder skip. What is gone meanwhile is passed over.
func walk(ctx context.Context, p home.Part, skip string, visit func(rel string, m filemeta.Meta)) error {
	hidden := p.Rules.Hider()
	return filepath.WalkDir(p.Source, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return ignoreGone(err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rel, err := filepath.Rel(p.Source, file)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch leaveOut := rel == skip || hidden(rel); {
		case leaveOut && d.IsDir():
			return fs.SkipDir
		case leaveOut:
			return nil
		}
		m, err := filemeta.Stat(file)
		if err != nil {
			return ignoreGone(err)
		}
		visit(rel, m)
		return nil
	})
}
