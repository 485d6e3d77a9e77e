package restic

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
)

var _ providers.PathFetcher = (*archive)(nil)

// FetchPaths implements providers.PathFetcher. restic reads what is wanted, and nothing
// else but the folders above.
func (a *archive) FetchPaths(ctx context.Context, b providers.BackupID, address, folder string, only providers.Selection) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	all, err := a.snapshots(ctx, b, true)
	if err != nil {
		return err
	}
	d, err := a.load(ctx, b, all, true)
	if err != nil {
		return err
	}
	if _, ok := d.Manifest.Stored[0].Copy(address); !ok {
		return shelf.NoPart(b, address)
	}
	if slices.Contains(d.missing(all), address) {
		return a.incomplete(b, []string{address})
	}
	u := &unpacking{archive: a}
	return u.end(ctx, b, u.pick(ctx, b, address, d.Trees[address], folder, only))
}

// picked is what is wanted of a tree.
type picked struct {
	tree

	// only is relative to the tree.
	only providers.Selection
	// above are the folders above what is wanted, by name.
	above map[string]node
}

func (u *unpacking) pick(ctx context.Context, b providers.BackupID, address string, trees []tree, folder string, only providers.Selection) error {
	missing := map[string]struct{}{}
	for _, p := range only {
		missing[p] = struct{}{}
	}
	var all []picked
	for _, t := range trees {
		p := picked{tree: t, above: map[string]node{}}
		var some bool
		if p.only, some = only.In(t.Place); !some {
			continue
		}
		held, err := u.archive.look(ctx, p)
		if err != nil {
			return err
		}
		for name := range missing {
			if in, some := (providers.Selection{name}).In(t.Place); some && (len(in) == 0 || held[in[0]]) {
				delete(missing, name)
			}
		}
		all = append(all, p)
	}
	if len(missing) > 0 {
		return shelf.NoPaths(b, address, slices.Sorted(maps.Keys(missing)))
	}
	if err := u.begin(folder); err != nil {
		return err
	}
	for _, p := range all {
		if err := u.one(ctx, p, filepath.Join(folder, filepath.FromSlash(p.Place))); err != nil {
			return err
		}
	}
	return nil
}

// look returns which paths of what is wanted the tree holds, and notes the folders above.
func (a *archive) look(ctx context.Context, p picked) (map[string]bool, error) {
	held := map[string]bool{}
	if p.Empty || len(p.only) == 0 {
		return held, nil
	}
	above := map[string]struct{}{}
	for _, name := range p.only {
		for dir := path.Dir("/" + name); ; dir = path.Dir(dir) {
			above[dir] = struct{}{}
			if dir == "/" {
				break
			}
		}
	}
	wanted := map[string]string{} // restic prints names without what is not UTF-8
	for _, name := range p.only {
		wanted["/"+inJSON(name)] = name
	}
	folders := map[string]string{}
	for dir := range above {
		folders[inJSON(dir)] = dir[1:]
	}
	args := append([]string{"ls", "--json", p.Snapshot}, slices.Sorted(maps.Keys(above))...)
	err := a.run(ctx, call{args: args, reads: true, uncached: true, stdout: &lines{each: func(line []byte) error {
		var x node
		if err := json.Unmarshal(line, &x); err != nil || x.Kind != "node" {
			return err
		}
		if name, ok := wanted[x.Path]; ok {
			held[name] = true
		}
		if name, ok := folders[x.Path]; ok {
			p.above[name] = x
		}
		return nil
	}}})
	return held, err
}

// one restores what is wanted of a tree, looks whether all of it is there, and gives the
// folders above what they carried.
func (u *unpacking) one(ctx context.Context, p picked, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	if !p.Empty {
		args := []string{"restore", p.Snapshot, "--target", to, "--sparse", "--quiet"}
		for _, name := range p.only {
			args = append(args, "--include", literal("/"+name))
		}
		if err := u.archive.run(ctx, call{args: args, uncached: true}); err != nil {
			return err
		}
		if err := u.archive.allThere(ctx, p, to); err != nil {
			return err
		}
	}
	deepestFirst := func(x, y string) int { return cmp.Or(cmp.Compare(len(y), len(x)), cmp.Compare(x, y)) }
	for _, name := range slices.SortedFunc(maps.Keys(p.above), deepestFirst) {
		x := p.above[name]
		if err := u.root(filepath.Join(to, filepath.FromSlash(name)), root{Mode: x.Mode, HasOwner: true, UID: x.UID, GID: x.GID, ModTime: x.MTime}); err != nil {
			return err
		}
	}
	return u.root(to, p.Root)
}

// allThere compares names, types and sizes of what was restored with those that the
// snapshot has; restic compared the content as it read it.
func (a *archive) allThere(ctx context.Context, p picked, to string) error {
	args := []string{"ls", "--json", "--recursive", p.Snapshot}
	for _, name := range p.only {
		args = append(args, "/"+name)
	}
	g, ctx := errgroup.WithContext(ctx)
	r, w := io.Pipe()
	g.Go(func() error {
		err := a.run(ctx, call{args: args, reads: true, uncached: true, stdout: w})
		_ = w.CloseWithError(err)
		return err
	})
	g.Go(func() error {
		stored := newNodes(r)
		err := filepath.WalkDir(to, func(at string, e fs.DirEntry, err error) error {
			rel, relErr := filepath.Rel(to, at)
			if err = errors.Join(err, relErr); err != nil || rel == "." || p.only.Leads(filepath.ToSlash(rel)) {
				return err
			}
			return stored.restored(filepath.ToSlash(rel), e)
		})
		if x, more := stored.next(); err == nil && more {
			err = problem.New(fetchFailed, fmt.Sprintf("restic did not restore %q", x.Path), restoreOther)
		}
		_, rest := io.Copy(io.Discard, r)
		return errors.Join(err, stored.differs, stored.scan.Err(), rest)
	})
	return g.Wait()
}

// restored expects the next entry to be name, as it was restored.
func (n *nodes) restored(name string, e fs.DirEntry) error {
	x, ok := n.next()
	if !ok {
		return problem.New(fetchFailed, fmt.Sprintf("restic restored %q, which it did not store", name), restoreOther)
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	if x.Path != "/"+inJSON(name) || x.Mode.Type() != info.Mode().Type() || info.Mode().IsRegular() && x.Size != info.Size() {
		return problem.New(fetchFailed, fmt.Sprintf("restic restored %q, %v, %d bytes, and stored %q, %v, %d bytes", name, info.Mode().Type(), info.Size(), x.Path, x.Mode.Type(), x.Size), restoreOther)
	}
	return nil
}
