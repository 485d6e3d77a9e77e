package tar

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
)

var _ providers.PathFetcher = (*archive)(nil)

// FetchPaths implements providers.PathFetcher. A stream has to be read to its end to find
// anything in it, and twice, as unpack does: the first time shows what it holds.
func (a *archive) FetchPaths(ctx context.Context, b providers.BackupID, address, folder string, only providers.Selection) error {
	m, err := a.shelf().Load(ctx, b)
	if err != nil {
		return err
	}
	if err := a.decrypts(ctx, m); err != nil {
		return err
	}
	part, ok := m.Stored[0].Copy(address)
	if !ok {
		return shelf.NoPart(b, address)
	}
	const passes = 2
	done := shelf.NewProgress(a.env)
	done.Expect(providers.Part{Bytes: passes * part.StoredBytes()})
	counted := *a
	counted.read = done
	u := &unpacking{archive: &counted, manifest: m, done: shelf.NewProgress(providers.Env{})}
	return u.end(ctx, u.pick(ctx, address, folder, only))
}

func (u *unpacking) pick(ctx context.Context, address, folder string, only providers.Selection) error {
	found := &finder{only: only, missing: map[string]struct{}{}, firsts: map[string]string{}}
	for _, path := range only {
		found.missing[path] = struct{}{}
	}
	if err := u.read(ctx, address, found); err != nil {
		return err
	}
	if len(found.missing) > 0 {
		return shelf.NoPaths(u.manifest.ID, address, slices.Sorted(maps.Keys(found.missing)))
	}
	t, err := u.begin(folder)
	if err != nil {
		return err
	}
	return u.read(ctx, address, &picking{tree: t, only: only, firsts: found.firsts})
}

// read gives a part to a handler; one that is damaged is an error.
func (u *unpacking) read(ctx context.Context, address string, to handler) error {
	findings, err := u.archive.readPart(ctx, u.manifest, address, to)
	if err == nil && len(findings) > 0 {
		err = &findings[0]
	}
	return err
}

// finder looks for what is wanted.
type finder struct {
	only    providers.Selection
	missing map[string]struct{}
	// firsts are the files outside of what is wanted that have a wanted name besides:
	// the archive has their content there. Their values are the first such names.
	firsts map[string]string
}

func (f *finder) entry(name string, h *tar.Header, _ io.Reader) error {
	delete(f.missing, name)
	if h.Typeflag == tar.TypeLink && f.only.Holds(name) && !f.only.Holds(h.Linkname) {
		if _, known := f.firsts[h.Linkname]; !known {
			f.firsts[h.Linkname] = name
		}
	}
	return nil
}

func (*finder) end() error { return nil }

// picking unpacks what is wanted.
type picking struct {
	*tree

	only   providers.Selection
	firsts map[string]string
	// held are the names at the top under which the firsts wait for their places.
	held map[string]string
}

func (p *picking) entry(name string, h *tar.Header, r io.Reader) error {
	if _, ok := p.firsts[name]; ok {
		return p.hold(name, h, r)
	}
	if name != "" && !p.only.Holds(name) && !p.only.Leads(name) {
		return nil
	}
	first, moved := p.firsts[h.Linkname]
	if h.Typeflag != tar.TypeLink || !moved {
		return p.tree.entry(name, h, r)
	}
	if name != first {
		own := *h
		own.Linkname = first
		return p.tree.entry(name, &own, r)
	}
	held, ok := p.held[h.Linkname]
	if !ok {
		return fmt.Errorf("it is a hard link to %q, which is no file of this artifact", h.Linkname)
	}
	return p.top.Rename(held, name)
}

// hold unpacks a file that gets its place once its first wanted name comes.
func (p *picking) hold(name string, h *tar.Header, r io.Reader) error {
	if h.Typeflag != tar.TypeReg {
		return fmt.Errorf("its type %q has no other names", h.Typeflag)
	}
	if p.held == nil {
		p.held = map[string]string{}
	}
	held := fmt.Sprintf("%s%d", providers.RestorePrefix, len(p.held))
	p.held[name] = held
	return p.lose(name)(p.file(p.top, held, metaOf(h, p.owners), r))
}
