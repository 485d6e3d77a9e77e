package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"bkp/internal/filemeta"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/compare"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

// Store implements providers.Archiver.
func (a *archive) Store(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	if err := checkNames(m); err != nil {
		return providers.Stored{}, problem.Wrap(err, "backup cannot be archived", "rename the component")
	}
	return a.shelf().Store(ctx, m, shelf.Storing{
		IsWhole: func(there providers.Manifest, objects []place.Object) bool { return len(missing(there, objects)) == 0 },
		Delete:  a.Delete,
		Write: func(ctx context.Context) (providers.Stored, error) {
			if err := a.sweep(ctx); err != nil {
				a.env.Warning("what is left of backups that were removed is still there: " + err.Error())
			}
			return a.storeAll(ctx, m, r)
		},
	})
}

// storeAll makes the parts of m, one after the other since each has the disk busy, and
// then the manifest.
func (a *archive) storeAll(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	stored := providers.Stored{Archive: a.env.Address, Location: a.place.At(string(m.ID)), Parts: map[string]providers.Part{}}
	about := record{Manifest: document.Inner(m)}
	for _, art := range m.Artifacts {
		if len(art.Trees) > 0 {
			about.Parts = append(about.Parts, art.Address)
		}
	}
	slices.Sort(about.Parts)
	done := shelf.ProgressOf(a.env, m)
	for _, art := range m.Artifacts {
		if len(art.Trees) == 0 {
			continue
		}
		about.Address = art.Address
		part, err := a.storePart(ctx, about, art, r[art.Address], done)
		if err != nil {
			return stored, fmt.Errorf("archive %s: %w", art.Address, err)
		}
		stored.Parts[art.Address] = part
	}
	return stored, a.shelf().Commit(ctx, m, stored)
}

// storePart makes one part, and then its index.
func (a *archive) storePart(ctx context.Context, about record, art providers.Artifact, r providers.Record, done *shelf.Progress) (providers.Part, error) {
	b, name := about.Manifest.ID, document.PartName(art.Address)
	at := filepath.Join(a.dir, string(b))
	if err := os.MkdirAll(at, 0o700); err != nil {
		return providers.Part{}, err
	}
	partial := filepath.Join(at, "."+name+partialSuffix)
	if err := os.Mkdir(partial, 0o700); err != nil {
		return providers.Part{}, err
	}
	root, err := os.OpenRoot(partial)
	if err != nil {
		return providers.Part{}, err
	}
	defer func() { _ = root.Close() }()
	var index providers.Object
	err = a.place.Create(ctx, indexName(b, name), func(w io.Writer) (err error) {
		x := newIndexWriter(w)
		p := &packer{archive: a, to: root, art: art, index: x, done: done}
		if err = p.pack(ctx, r); err != nil {
			return err
		}
		// The tree is safe on disk before its index is there.
		if err = errors.Join(syncAll(root), os.Rename(partial, filepath.Join(at, name)), host.SyncDir(at)); err != nil {
			return err
		}
		about.Holes = p.holes
		index, err = x.end(&about)
		return err
	})
	index.Name = name + indexSuffix
	return about.part(name, index), err
}

func syncAll(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(host.SyncFilesystem(dir), dir.Close())
}

// packer makes one part.
type packer struct {
	*archive
	to    *os.Root
	art   providers.Artifact
	index *indexWriter
	done  *shelf.Progress
	holes int64
}

// pack makes the trees of the artifact. r is of an artifact that is one tree.
func (p *packer) pack(ctx context.Context, r providers.Record) error {
	above := &above{to: p.to, made: p.art.PointInTime, add: p.index.add}
	for _, tree := range slices.SortedFunc(slices.Values(p.art.Trees), document.ByPlace) {
		to, err := above.enter(tree.Place)
		if err != nil {
			return err
		}
		if err := p.tree(ctx, tree, to, r); err != nil {
			return err
		}
	}
	return above.end()
}

// tree makes one tree in its folder, which it closes.
func (p *packer) tree(ctx context.Context, tree providers.Tree, to *os.Root, r providers.Record) error {
	defer func() { _ = to.Close() }()
	var lost losses
	reading := &reading{
		from: tree.Path, to: to, copies: p.cfg.Copy, hidden: tree.LeaveOut.Matcher(), lose: lost.add, done: p.done, fault: p.fault,
	}
	if p.art.Dir() != "" {
		reading.compare = compare.New(r)
	}
	err := reading.walk(ctx, func(it *item) error {
		p.holes += it.holes
		return p.index.add(it.below(tree.Place))
	})
	if err == nil {
		err = reading.compare.Result(&p.art)
	}
	if err := compare.Intact(ctx, r, err); err != nil {
		return err
	}
	return lost.refuse()
}

// losses are what could not be kept. It is safe for concurrent use.
type losses struct {
	mu   sync.Mutex
	lost filemeta.Loss
	of   string
}

func (l *losses) add(name string, lost filemeta.Loss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lost&^l.lost != 0 {
		l.lost |= lost
		l.of = filepath.Join(".", name)
	}
}

// refuse is the error of a tree that would not be what it is to be: there is nothing
// besides the tree that could say what is missing.
func (l *losses) refuse() error {
	if l.lost == 0 {
		return nil
	}
	return problem.New("tree cannot be kept as it is", fmt.Sprintf("%s could not be kept, for example of %s", l.lost, l.of),
		"run bkp as root, and choose a destination whose file system keeps them; or use an archive \"tar\"")
}
