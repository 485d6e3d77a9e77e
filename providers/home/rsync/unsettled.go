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
// since a live pass began is sent once more, whatever its size and time are:
// live, round by round, and the rest under the lock, where it is few.

const (
	// tick is more than the grain of the clock by which a file system notes
	// that a file changed, 10 ms at most on Linux.
	tick = 100 * time.Millisecond
	// rounds is how often it is sent live, at most.
	rounds = 3
	// few is how many files are left to the lock.
	few = 100
)

// unsettled is what live passes may have stored with another file's content.
type unsettled struct {
	// since is when the first live pass began that nothing confirmed yet; zero
	// if all are confirmed.
	since time.Time
	// walked: a live pass walked everything since the last round.
	walked bool
	// sent has by part what the last round sent, which began at begun.
	sent  map[int][]string
	begun time.Time
}

// marker records, across runs, that a live pass was not confirmed: a run that
// ends before its capture leaves what it stored to the next one.
func (s *strategy) marker() string { return filepath.Join(s.Env.WorkDir, "unsettled") }

// unsettle records that a live pass begins now.
func (s *strategy) unsettle() error {
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

// owe adds what a pass under the lock was to copy by its names, and that walks
// everything by sizes and times instead.
func (u *unsettled) owe(part int, c treesync.Changes) {
	if u.sent == nil {
		u.sent = map[int][]string{}
	}
	for folder, names := range c.Folders {
		for name := range names {
			u.sent[part] = append(u.sent[part], path.Join(folder, name))
		}
	}
}

// settle sends, while users work, what changed since the live passes began.
func (s *strategy) settle(ctx context.Context) error {
	since := s.torn.since
	if since.IsZero() {
		return nil
	}
	s.torn.walked = false
	for range rounds {
		begun := time.Now().Add(-tick)
		sent, n, err := s.changedSince(ctx, since)
		if err != nil {
			return err
		}
		s.torn.sent, s.torn.begun = sent, begun
		if err := s.send(ctx, false, sent); err != nil {
			return err
		}
		if n <= few {
			return nil
		}
		since = begun
	}
	return nil
}

// confirm sends, under the lock, what changed since the last round began, which
// may have stored it wrongly. From then on nothing is in question.
func (s *strategy) confirm(ctx context.Context) error {
	again := map[int][]string{}
	parts := s.Parts()
	for i, names := range s.torn.sent {
		files, err := s.torn.changed(ctx, parts[i], names)
		if err != nil {
			return err
		}
		again[i] = files
	}
	if err := s.send(ctx, true, again); err != nil {
		return err
	}
	s.torn = unsettled{}
	if err := os.Remove(s.marker()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
	}
	return nil
}

// changed returns which of the names have a file that changed since the last
// round began, and all other names of those files: rsync would part what it is
// not given together.
func (u *unsettled) changed(ctx context.Context, p home.Part, names []string) ([]string, error) {
	found, known, links := map[string]bool{}, map[filemeta.ID]uint64{}, map[filemeta.ID]uint64{}
	for _, rel := range names {
		m, err := filemeta.Stat(filepath.Join(p.Source, filepath.FromSlash(rel)))
		if err != nil || m.Mode.IsDir() || m.ChangeTime.Before(u.begun) || found[rel] {
			continue // as it was sent, or gone, and with it from the copy
		}
		found[rel] = true
		known[m.ID]++
		links[m.ID] = m.Links
	}
	for id, n := range known {
		if n == links[id] {
			continue
		}
		all, err := changedIn(ctx, p, u.begun)
		if err != nil {
			return nil, err
		}
		for _, rel := range all {
			found[rel] = true
		}
		break
	}
	return slices.Sorted(maps.Keys(found)), nil
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

// changedSince returns by part the files that changed since then, in whatever
// way, and how many they are. All names of a file are among them: they share
// its time.
func (s *strategy) changedSince(ctx context.Context, since time.Time) (map[int][]string, int, error) {
	found, n := map[int][]string{}, 0
	for i, p := range s.Parts() {
		names, err := changedIn(ctx, p, since)
		if err != nil {
			return nil, 0, err
		}
		found[i], n = names, n+len(names)
	}
	return found, n, nil
}

func changedIn(ctx context.Context, p home.Part, since time.Time) ([]string, error) {
	var found []string
	hidden := p.Rules.Hider()
	moved := "" // the folder, with a slash, below which everything counts
	err := filepath.WalkDir(p.Source, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return ignoreGone(err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rel, err := filepath.Rel(p.Source, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case rel == ".":
			return nil
		case hidden(rel) && d.IsDir():
			return fs.SkipDir
		case hidden(rel):
			return nil
		}
		m, err := filemeta.Stat(file)
		if err != nil {
			return ignoreGone(err)
		}
		below, changed := moved != "" && strings.HasPrefix(rel, moved), !m.ChangeTime.Before(since)
		switch {
		case d.IsDir() && changed && !below && m.ChangeTime.After(m.ModTime):
			// No entry of it came or went: it was renamed, perhaps to where it was,
			// and the files below show nothing of that.
			moved = rel + "/"
		case !d.IsDir() && (below || changed):
			found = append(found, rel)
		}
		return nil
	})
	slices.Sort(found)
	return found, err
}
