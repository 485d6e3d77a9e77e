package tree

import (
	"context"
	"maps"
	"slices"
	"strings"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
)

var _ providers.PathFetcher = (*archive)(nil)

// FetchPaths implements providers.PathFetcher. The index shows what the tree holds; of that
// no more is read than what is wanted.
func (a *archive) FetchPaths(ctx context.Context, b providers.BackupID, address, folder string, only providers.Selection) error {
	m, err := a.shelf().Load(ctx, b)
	if err != nil {
		return err
	}
	part, ok := m.Stored[0].Copy(address)
	if !ok {
		return shelf.NoPart(b, address)
	}
	u := &unpacking{archive: a, manifest: m, done: shelf.NewProgress(a.env)}
	return u.end(ctx, u.pick(ctx, address, part, folder, only))
}

func (u *unpacking) pick(ctx context.Context, address string, part providers.Part, folder string, only providers.Selection) error {
	a, b, name := u.archive, u.manifest.ID, document.PartName(address)
	if err := a.checkIndex(ctx, b, name, part.Objects[1]); err != nil {
		return err
	}
	found, err := a.find(ctx, b, name, only)
	if err != nil {
		return err
	}
	if len(found.missing) > 0 {
		return shelf.NoPaths(b, address, slices.Sorted(maps.Keys(found.missing)))
	}
	u.done.Expect(providers.Part{Files: found.files})
	x, done, err := a.openIndex(ctx, b, name)
	if err != nil {
		return err
	}
	defer done()
	return u.into(folder, func(to *reading) error {
		to.hidden = only.Matcher()
		_, err := a.compareLines(ctx, b, name, &picked{index: x, only: only, firsts: found.firsts, renamed: map[string]string{}}, to)
		return err
	})
}

// found is what an index has of what is wanted.
type found struct {
	missing map[string]struct{}
	// firsts are the lines of files outside of what is wanted that have a wanted name
	// besides, by the name that they have there.
	firsts map[string]string
	files  int64
}

// find goes through an index twice: which files have wanted names too is known only at
// its end.
func (a *archive) find(ctx context.Context, b providers.BackupID, name string, only providers.Selection) (found, error) {
	f := found{missing: map[string]struct{}{}, firsts: map[string]string{}}
	for _, path := range only {
		f.missing[path] = struct{}{}
	}
	err := a.eachLine(ctx, b, name, func(entry, line string) {
		delete(f.missing, entry)
		if !only.Holds(entry) && !only.Leads(entry) {
			return
		}
		f.files++
		if first, ok := firstOf(line); ok && !only.Holds(first) {
			f.firsts[first] = ""
		}
	})
	if err != nil || len(f.firsts) == 0 {
		return f, err
	}
	return f, a.eachLine(ctx, b, name, func(entry, line string) {
		if _, ok := f.firsts[entry]; ok {
			f.firsts[entry] = line
		}
	})
}

func (a *archive) eachLine(ctx context.Context, b providers.BackupID, name string, do func(entry, line string)) error {
	x, done, err := a.openIndex(ctx, b, name)
	if err != nil {
		return err
	}
	defer done()
	for ctx.Err() == nil {
		line, err := x.next()
		if err != nil {
			return a.badIndex(err, b, name)
		}
		if line == "" {
			return nil
		}
		do(nameOf(line), line)
	}
	return context.Cause(ctx)
}

const hardlinkKey = " type=file hardlink="

// firstOf is the first name of the file that a line is another name of.
func firstOf(line string) (string, bool) {
	_, target, ok := strings.Cut(line, hardlinkKey)
	return strings.TrimPrefix(unescape(strings.TrimSuffix(target, "\n")), "./"), ok
}

// picked are the lines that the index would have if there were nothing but what is wanted:
// of a file with several names the first of those has the content.
type picked struct {
	index  *indexReader
	only   providers.Selection
	firsts map[string]string
	// renamed are the first wanted names of the firsts.
	renamed map[string]string
}

func (p *picked) next() (string, error) {
	for {
		line, err := p.index.next()
		if err != nil || line == "" {
			return line, err
		}
		name := nameOf(line)
		if name != "" && !p.only.Holds(name) && !p.only.Leads(name) {
			continue
		}
		first, ok := firstOf(line)
		outside, moved := p.firsts[first]
		if !ok || !moved {
			return line, nil
		}
		if own, ok := p.renamed[first]; ok {
			return entry{name: name, first: own}.line(), nil
		}
		p.renamed[first] = name
		_, rest, _ := strings.Cut(outside, " ")
		return escape("./"+name) + " " + rest, nil
	}
}
