package tar

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

// Store implements providers.Archiver.
func (a *archive) Store(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	if err := document.CheckAddresses(m); err != nil {
		return providers.Stored{}, problem.Wrap(err, "backup cannot be archived", "rename the component")
	}
	return a.shelf().Store(ctx, m, shelf.Storing{
		IsWhole: func(there providers.Manifest, objects []place.Object) bool { return len(missing(there, objects)) == 0 },
		Delete:  a.Delete,
		Write:   func(ctx context.Context) (providers.Stored, error) { return a.storeAll(ctx, m, r) },
	})
}

// storeAll writes the parts of m, several at a time, and then the manifest.
func (a *archive) storeAll(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	stored := providers.Stored{Archive: a.env.Address, Location: a.place.At(string(m.ID)), Parts: map[string]providers.Part{}}
	var err error
	if stored.Sealed, err = a.sealed(ctx); err != nil {
		return stored, err
	}
	about := record{Manifest: document.Inner(m), Sealed: stored.Sealed}
	for _, art := range m.Artifacts {
		if len(art.Trees) > 0 {
			about.Parts = append(about.Parts, art.Address)
		}
	}
	slices.Sort(about.Parts)
	g, inGroup := errgroup.WithContext(ctx)
	g.SetLimit(a.atOnce())
	done := shelf.ProgressOf(a.env, m)
	var mu sync.Mutex
	for _, art := range m.Artifacts {
		if len(art.Trees) == 0 {
			continue
		}
		g.Go(func() error {
			about := about
			about.Address = art.Address
			part, err := a.storePart(inGroup, about, art, r[art.Address], done)
			if err != nil {
				return fmt.Errorf("archive %s: %w", art.Address, err)
			}
			mu.Lock()
			defer mu.Unlock()
			stored.Parts[art.Address] = part
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return stored, err
	}
	if err := a.lock(ctx, m.ID, objectsOf(stored)); err != nil {
		return stored, err
	}
	if err := a.shelf().Commit(ctx, m, stored); err != nil {
		return stored, err
	}
	return stored, a.lock(ctx, m.ID, []string{shelf.ManifestObject})
}

// lock keeps objects of a backup from being deleted, if the place does that.
func (a *archive) lock(ctx context.Context, b providers.BackupID, own []string) error {
	l, ok := a.place.(place.Locker)
	if !ok {
		return nil
	}
	names := make([]string, len(own))
	for i, name := range own {
		names[i] = place.Name(b, name)
	}
	return l.Lock(ctx, names)
}

// objectsOf are the own names of all that is stored.
func objectsOf(stored providers.Stored) []string {
	var out []string
	for _, address := range shelf.SortedParts(stored) {
		out = append(out, namesOf(stored.Parts[address])...)
	}
	return out
}

// atOnce is how many parts are written or read at the same time. One has two cores
// busy: while one compresses, the other reads, hashes and writes.
func (a *archive) atOnce() int {
	return max(1, min(a.env.Parallelism, runtime.GOMAXPROCS(0)/2))
}

// storePart writes one part. What it wrote before it failed is the caller's to
// remove.
func (a *archive) storePart(ctx context.Context, about record, art providers.Artifact, r providers.Record, done *shelf.Progress) (providers.Part, error) {
	if art.Host() != "" && a.WorksThere() {
		return a.storeThere(ctx, about, art, done)
	}
	out := &pieces{
		create: func(name string, write func(io.Writer) error) error {
			return a.place.Create(ctx, place.Name(about.Manifest.ID, name), write)
		},
		object: document.PartName(art.Address) + a.writes().suffix, most: a.place.Piece(),
	}
	part, err := a.write(ctx, out, about, art, r, done)
	part.Objects, err = out.end(err)
	return part, err
}
