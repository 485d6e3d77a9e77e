package restic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
)

const restoreOther = "do not rely on this backup; verify the others, and find out what damages the storage"

// Store implements providers.Archiver.
func (a *archive) Store(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	if _, err := providers.ParseBackupID(string(m.ID)); err != nil {
		return providers.Stored{}, err
	}
	if err := a.checkTrees(m); err != nil {
		return providers.Stored{}, err
	}
	everything, err := a.holdOrMake(ctx, m.ID)
	if err != nil {
		return providers.Stored{}, err
	}
	stored, err := a.store(ctx, m, r, everything)
	if err != nil {
		return providers.Stored{}, err
	}
	a.release(context.WithoutCancel(ctx), m.ID, everything.of(m.ID))
	return stored, nil
}

// checkTrees refuses trees that restic cannot read from here.
func (a *archive) checkTrees(m providers.Manifest) error {
	for _, art := range m.Artifacts {
		for _, t := range art.Trees {
			if t.Host != "" && !a.WorksThere() {
				return problem.New("tree on another machine", fmt.Sprintf("%s of %s lies on %s", t.Path, art.Address, t.Host), "use an archive that stores from there")
			}
			if t.Place != "" && !localName(t.Place) {
				return problem.New("place leads elsewhere", fmt.Sprintf("%s of %s has the place %q", t.Path, art.Address, t.Place), "report this as a fault of bkp")
			}
		}
	}
	return nil
}

// store is Store, while the id is ours. everything are the snapshots of all backups.
func (a *archive) store(ctx context.Context, m providers.Manifest, r providers.Records, everything set) (providers.Stored, error) {
	all := everything.of(m.ID)
	there, err := a.load(ctx, m.ID, all, true)
	if err == nil {
		err = a.mine(there.Manifest, m)
	}
	if err != nil && !errors.Is(err, providers.ErrNotFound) {
		return providers.Stored{}, err
	}
	if err == nil && len(there.missing(all)) == 0 {
		return there.Manifest.Stored[0], nil
	}
	// Whatever else lies there, no manifest may speak for it.
	if err := a.forget(ctx, m.ID, all.only(tagManifest).ids()); err != nil {
		return providers.Stored{}, err
	}
	if err := a.letBe(a.forget(ctx, m.ID, all.without(tagReserved).without(tagManifest).ids())); err != nil {
		return providers.Stored{}, err
	}
	stored, err := a.storeAll(ctx, m, r, everything)
	if err != nil {
		return stored, errors.Join(err, a.undo(ctx, m.ID))
	}
	return stored, nil
}

// undo forgets what a Store that failed made: a backup that counts as not stored must
// not lie here. The reservation stays until Discard.
func (a *archive) undo(ctx context.Context, b providers.BackupID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endings)
	defer cancel()
	all, err := a.snapshots(ctx, b, true)
	if err != nil {
		return fmt.Errorf("what was stored of %s is still there: %w", b, err)
	}
	for _, ids := range [][]string{all.only(tagManifest).ids(), all.without(tagManifest).without(tagReserved).ids()} {
		if err := a.letBe(a.forget(ctx, b, ids)); err != nil {
			return err
		}
	}
	return nil
}

// storeAll stores the record of m, its parts and then the manifest.
func (a *archive) storeAll(ctx context.Context, m providers.Manifest, r providers.Records, everything set) (providers.Stored, error) {
	stored := providers.Stored{Archive: a.env.Address, Location: a.at(m.ID), Parts: map[string]providers.Part{}}
	d := document{Manifest: inner(m), Trees: map[string][]tree{}}
	for _, art := range m.Artifacts {
		roots, err := a.roots(ctx, art)
		if err != nil {
			return stored, err
		}
		d.Trees[art.Address] = roots
	}
	earlier, err := a.earlier(ctx, m, everything)
	if err != nil {
		return stored, err
	}
	if err := a.storeDocument(ctx, d, recordFile, tagRecord); err != nil {
		return stored, err
	}
	if err := a.step("record"); err != nil {
		return stored, err
	}
	if stored.Parts, d.Trees, err = a.storeParts(ctx, m, d, earlier, r); err != nil {
		// What restic says of a lost pack is about the file that it was reading.
		if lost := a.whole(ctx); asProblem(lost) != nil {
			return stored, errors.Join(lost, err)
		}
		return stored, err
	}
	if err := a.whole(ctx); err != nil {
		return stored, err
	}
	d.Manifest.Stored = []providers.Stored{stored}
	if err := a.storeDocument(ctx, d, manifestFile, tagManifest); err != nil {
		return stored, err
	}
	return stored, a.step("manifest")
}

// earlier is the newest backup of the same instance whose manifest can be read; its
// parts are the parents of the next ones. restic takes a file for unchanged by what
// its parent has, so only a backup that was compared with its records may be one.
func (a *archive) earlier(ctx context.Context, m providers.Manifest, everything set) (document, error) {
	groups := byBackup(everything)
	var ids []providers.BackupID
	for b, s := range groups {
		if b != m.ID && b.Instance() == m.ID.Instance() && len(s.only(tagManifest)) > 0 {
			ids = append(ids, b)
		}
	}
	slices.SortFunc(ids, func(x, y providers.BackupID) int { return y.Time().Compare(x.Time()) })
	for _, b := range ids {
		d, err := a.load(ctx, b, groups[b], false)
		if ctx.Err() != nil {
			return document{}, context.Cause(ctx)
		}
		if err == nil && d.Manifest.Of(m.Instance, m.URL) && len(d.missing(groups[b])) == 0 {
			return d, nil
		}
	}
	return document{}, nil
}

// parents are the snapshots of the same part in an earlier backup, by place.
func (d document) parents(address string) map[string]string {
	out := map[string]string{}
	for _, t := range d.Trees[address] {
		out[t.Place] = t.Snapshot
	}
	return out
}

// storeParts stores all parts, several at a time.
func (a *archive) storeParts(ctx context.Context, m providers.Manifest, d, earlier document, r providers.Records) (map[string]providers.Part, map[string][]tree, error) {
	parts, trees := map[string]providers.Part{}, map[string][]tree{}
	done := shelf.ProgressOf(a.env, m)
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(a.atOnce())
	for _, art := range m.Artifacts {
		if len(art.Trees) == 0 {
			continue
		}
		g.Go(func() error {
			n := notes{Holder: a.holder(), Roots: d.Trees[art.Address], Parents: earlier.parents(art.Address)}
			part, stored, err := a.storeWhere(ctx, m, art, n, r[art.Address], done)
			if err != nil {
				return fmt.Errorf("archive %s: %w", art.Address, err)
			}
			mu.Lock()
			defer mu.Unlock()
			parts[art.Address], trees[art.Address] = part, stored
			return nil
		})
	}
	return parts, trees, g.Wait()
}

// storeWhere has a part stored by the machine that has its trees.
func (a *archive) storeWhere(ctx context.Context, m providers.Manifest, art providers.Artifact, n notes, r providers.Record, done *shelf.Progress) (providers.Part, []tree, error) {
	if art.Host() == "" {
		return a.storePart(ctx, m.ID, art, n, r, done)
	}
	part, trees, err := a.storeThere(ctx, m, art, n, done)
	if err != nil {
		return part, nil, err
	}
	return part, trees, a.step("part")
}

// storePart stores the trees of an artifact, each as a snapshot.
func (a *archive) storePart(ctx context.Context, b providers.BackupID, art providers.Artifact, n notes, r providers.Record, done *shelf.Progress) (providers.Part, []tree, error) {
	var part providers.Part
	var out []tree
	var packed int64
	c := newComparison(&art, r)
	for i, t := range art.Trees {
		s := &storing{archive: a, backup: b, address: art.Address, tree: t, nothing: n.Roots[i].Empty, parent: n.Parents[t.Place], done: done}
		made, err := s.store(ctx, c)
		if err != nil {
			return part, nil, err
		}
		made.Place, made.Root = t.Place, n.Roots[i].Root
		out = append(out, made)
		packed += s.packed
	}
	if err := c.result(); err != nil {
		return part, nil, err
	}
	if r != nil {
		if err := r.Intact(ctx); err != nil {
			return part, nil, err
		}
	}
	part.Files, part.Bytes, part.Holes = c.files, c.bytes, c.holes
	part.Objects = objectsOf(out, packed)
	return part, out, a.step("part")
}

// objectsOf is one object, named by the snapshots of a part, with the digest that
// restic has of their trees: what it stores of a part is no object by itself. packed
// is how many bytes were added to the repository.
func objectsOf(trees []tree, packed int64) []providers.Object {
	if len(trees) == 1 {
		return []providers.Object{{Name: trees[0].Snapshot, Bytes: packed, SHA256: trees[0].Tree}}
	}
	var ids []string
	digest := sha256.New()
	for _, t := range trees {
		ids = append(ids, t.Snapshot)
		_, _ = fmt.Fprintf(digest, "%s %q\n", t.Tree, t.Place)
	}
	return []providers.Object{{Name: strings.Join(ids, ","), Bytes: packed, SHA256: hex.EncodeToString(digest.Sum(nil))}}
}
