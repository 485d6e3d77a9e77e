package tar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/place"
)

// Store implements providers.Archiver.
func (a *archive) Store(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	if _, err := providers.ParseBackupID(string(m.ID)); err != nil {
		return providers.Stored{}, err
	}
	if err := checkAddresses(m); err != nil {
		return providers.Stored{}, problem.Wrap(err, "backup cannot be archived", "rename the component")
	}
	for _, art := range m.Artifacts {
		if err := checkPlaces(art); err != nil {
			return providers.Stored{}, err
		}
	}
	if err := a.hold(ctx, m.ID); err != nil {
		return providers.Stored{}, err
	}
	stored, err := a.store(ctx, m, r)
	unclaimed := a.place.Unclaim(context.WithoutCancel(ctx), m.ID)
	if err != nil {
		return providers.Stored{}, errors.Join(err, unclaimed)
	}
	// A backup that is stored is no failure because of this. Discard tries again.
	if unclaimed != nil {
		a.env.Warning("the id is still reserved: " + unclaimed.Error())
	}
	return stored, nil
}

// store is Store, while the id is ours.
func (a *archive) store(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	there, err := a.load(ctx, m.ID)
	if err == nil {
		err = a.mine(there, m)
	}
	if err != nil && !errors.Is(err, providers.ErrNotFound) {
		return providers.Stored{}, err
	}
	if err == nil {
		whole, err := a.whole(ctx, there)
		if err != nil || whole {
			return there.Stored[0], err
		}
	}
	// Whatever else lies there, no manifest may speak for it.
	if err := a.Delete(ctx, m.ID); err != nil {
		return providers.Stored{}, err
	}
	stored, err := a.storeAll(ctx, m, r)
	if err != nil {
		// A backup that counts as not stored must not lie here.
		return stored, errors.Join(err, a.Delete(context.WithoutCancel(ctx), m.ID))
	}
	return stored, nil
}

// whole reports whether all parts of a backup are there, by their sizes.
func (a *archive) whole(ctx context.Context, m providers.Manifest) (bool, error) {
	list, err := a.place.List(ctx, m.ID)
	return len(missing(m, list)) == 0, err
}

// storeAll writes the parts of m, several at a time, and then the manifest.
func (a *archive) storeAll(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	stored := providers.Stored{Archive: a.env.Address, Location: a.place.At(string(m.ID)), Parts: map[string]providers.Part{}}
	var err error
	if stored.Sealed, err = a.sealed(ctx); err != nil {
		return stored, err
	}
	about := record{Manifest: inner(m), Sealed: stored.Sealed}
	for _, art := range m.Artifacts {
		if len(art.Trees) > 0 {
			about.Parts = append(about.Parts, art.Address)
		}
	}
	slices.Sort(about.Parts)
	g, inGroup := errgroup.WithContext(ctx)
	g.SetLimit(a.atOnce())
	done := a.progress(m)
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
	if err := a.commit(ctx, m, stored); err != nil {
		return stored, err
	}
	return stored, a.lock(ctx, m.ID, []string{manifestObject})
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
	for _, address := range sortedParts(stored) {
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
func (a *archive) storePart(ctx context.Context, about record, art providers.Artifact, r providers.Record, done *progress) (providers.Part, error) {
	out := &pieces{
		create: func(name string, write func(io.Writer) error) error {
			return a.place.Create(ctx, place.Name(about.Manifest.ID, name), write)
		},
		object: partName(art.Address) + a.writes().suffix, most: a.place.Piece(),
	}
	part, err := a.write(ctx, out, about, art, r, done)
	part.Objects, err = out.end(err)
	return part, err
}

// commit writes the manifest. From then on the backup is there.
func (a *archive) commit(ctx context.Context, m providers.Manifest, stored providers.Stored) error {
	m = inner(m)
	m.Stored = []providers.Stored{stored}
	data, err := sealManifest(m)
	if err != nil {
		return err
	}
	return a.place.Create(ctx, place.Name(m.ID, manifestObject), func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	})
}

// progress is how far all parts have come. It is safe for concurrent use.
type progress struct {
	env  providers.Env
	mu   sync.Mutex
	done providers.Progress
}

// progress begins one of what m has in other archives; of what none has yet the
// size is not known.
func (a *archive) progress(m providers.Manifest) *progress {
	p := &progress{env: a.env}
	for _, art := range m.Artifacts {
		part, _ := m.Part(art.Address)
		p.expect(part)
	}
	return p
}

func (p *progress) expect(part providers.Part) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done.TotalFiles += part.Files
	p.done.TotalBytes += part.Bytes
}

// add counts, and reports unless it is too little for that.
func (p *progress) add(files, bytes int64, report bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done.Files += files
	p.done.Bytes += bytes
	if report {
		p.env.Report(p.done)
	}
}

// sortedParts are the addresses of what the archive holds of a backup.
func sortedParts(s providers.Stored) []string { return slices.Sorted(maps.Keys(s.Parts)) }
