package restic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/compare"
)

const (
	// readers is how many files are read at a time.
	readers = 4

	treeChanged = "file changed while it was archived"
	treeRemedy  = "let nothing write below the working copy, and run the backup again"
)

// comparison holds the trees of an artifact, after restic read them, against two
// things: what restic stored, by names, types, sizes and times; and the record, by
// names, types and the digests of contents. restic does not show digests of files
// that are of use to anybody else, so the files that it read are read here once more;
// they mostly are still in memory then. It counts what is there besides.
type comparison struct {
	art *providers.Artifact
	// record is nil without one.
	record *compare.Comparison

	files, bytes, holes int64
	seen                map[filemeta.ID]struct{} // files of several names
}

func newComparison(art *providers.Artifact, r providers.Record) *comparison {
	return &comparison{art: art, record: compare.New(r), seen: map[filemeta.ID]struct{}{}}
}

// fails notes an entry that a damaged disk keeps from being read, or that is gone; any
// other error is returned. folder is to be copied again.
func (c *comparison) fails(folder, name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", compare.ErrVanished, err)
	}
	return c.record.FailsIn(folder, name, err)
}

// result is the error for all that differs from the record, nil if nothing does.
func (c *comparison) result() error { return c.record.Result(c.art) }

func folderOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return ""
}

// tree compares one tree with the snapshot of s, and returns the digest that restic has
// of it. What differs from the record is in result afterwards; an error is anything else.
func (c *comparison) tree(ctx context.Context, s *storing, dir string) (string, error) {
	g, ctx := errgroup.WithContext(ctx)
	r, w := io.Pipe()
	g.Go(func() error {
		err := s.archive.run(ctx, call{args: []string{"ls", "--json", s.made}, reads: true, stdout: w})
		_ = w.CloseWithError(err)
		return err
	})
	stored := newNodes(r)
	g.Go(func() error {
		reading, ctx := errgroup.WithContext(ctx)
		reading.SetLimit(readers)
		t := &comparing{comparison: c, dir: dir, hidden: s.tree.LeaveOut.Matcher(), read: s.read, reading: reading, stored: stored}
		err := t.all(ctx)
		return errors.Join(err, reading.Wait(), t.stored.end(err == nil))
	})
	if err := g.Wait(); c.result() == nil {
		return stored.tree, err
	}
	return "", nil // the damage is the reason
}

// folderAlone compares a tree without any stored entry.
func (c *comparison) folderAlone(ctx context.Context, s *storing) error {
	t := &comparing{comparison: c, dir: s.dir, hidden: s.tree.LeaveOut.Matcher(), reading: &errgroup.Group{}, stored: &nodes{differs: errUncompared}}
	before := t.files
	if err := errors.Join(t.all(ctx), t.reading.Wait()); err != nil {
		return err
	}
	if t.files > before+1 {
		return problem.New(treeChanged, s.dir+" was empty, and is not any more", treeRemedy)
	}
	return nil
}

// errUncompared keeps a comparison from looking for what restic stored.
var errUncompared = errors.New("not compared with a snapshot")

// comparing is a tree while it is compared.
type comparing struct {
	*comparison

	dir     string
	hidden  func(rel string) func(name string, dir bool) bool
	read    map[string]struct{} // nil: restic read every file
	reading *errgroup.Group
	stored  *nodes
}

func (t *comparing) all(ctx context.Context) error {
	t.files++
	return t.folder(ctx, "")
}

// folder compares what is in a folder, in the order in which restic lists it.
func (t *comparing) folder(ctx context.Context, rel string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	entries, err := os.ReadDir(filepath.Join(t.dir, rel))
	if err != nil {
		return t.fails(rel, rel, err)
	}
	recorded := t.record.Folder(rel)
	skip := t.hidden(rel)
	for _, e := range entries {
		if e.Type()&fs.ModeSocket != 0 || skip != nil && skip(e.Name(), e.IsDir()) {
			continue
		}
		name := path.Join(rel, e.Name())
		want := recorded.Next(e.Name(), e.Type())
		if err := t.entry(name, e, want); err != nil {
			return err
		}
		if e.IsDir() {
			if err := t.folder(ctx, name); err != nil {
				return err
			}
		}
	}
	recorded.End()
	return nil
}

// entry compares one entry, and begins to read it if its content counts.
func (t *comparing) entry(name string, e fs.DirEntry, want *providers.Recorded) error {
	info, err := e.Info()
	if err != nil {
		return t.fails(folderOf(name), name, err)
	}
	meta := filemeta.FromInfo(info)
	t.stored.compare(name, meta)
	if err := t.add(name, meta); err != nil {
		return t.fails(folderOf(name), name, err)
	}
	if want == nil || !want.Summed {
		return nil
	}
	switch {
	case meta.Mode.IsRegular() && t.wasRead(name):
		t.reading.Go(func() error { return t.content(name, want) })
	case meta.Mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(filepath.Join(t.dir, name))
		if err != nil {
			return t.fails(folderOf(name), name, err)
		}
		t.record.Hold(name, want, providers.Sum([]byte(target)))
	}
	return nil
}

// wasRead reports whether restic read the file, rather than to believe its parent.
func (t *comparing) wasRead(name string) bool {
	if t.read == nil {
		return true
	}
	_, ok := t.read["/"+inJSON(name)]
	return ok
}

// inJSON is a name as restic prints it: what is no UTF-8 is replaced byte by byte.
func inJSON(name string) string { return string([]rune(name)) }

func (t *comparing) content(name string, want *providers.Recorded) error {
	f, err := os.Open(filepath.Join(t.dir, name))
	if err != nil {
		return t.fails(folderOf(name), name, err)
	}
	defer func() { _ = f.Close() }()
	s := providers.NewSummer()
	if _, err := io.Copy(s, f); err != nil {
		return t.fails(folderOf(name), name, err)
	}
	t.record.Hold(name, want, s.Sum64())
	return nil
}

// add counts an entry.
func (t *comparing) add(name string, m filemeta.Meta) error {
	t.files++
	if !m.Mode.IsRegular() {
		return nil
	}
	if m.Links > 1 {
		if _, again := t.seen[m.ID]; again {
			return nil
		}
		t.seen[m.ID] = struct{}{}
	}
	t.bytes += m.Size
	if !m.Sparse() {
		return nil
	}
	f, err := os.Open(filepath.Join(t.dir, name))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	ranges, err := filemeta.DataRanges(f, m.Size)
	hole := m.Size
	for _, r := range ranges {
		hole -= r.Length
	}
	t.holes += hole
	return err
}
