package drill

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// compare compares what was restored with itself.
func (d *drill) compare(ctx context.Context) error {
	ids, known, err := d.named(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch {
	case err != nil && !d.second:
		return fmt.Errorf("%w: %w", errNotAnswered, err)
	case host.IsTrouble(err):
		return notCarriedOut(err)
	case err != nil:
		d.differ("%v", err)
	}
	d.result.Named = len(ids)
	if d.holder == nil && len(d.nodes) == 0 {
		return nil
	}
	set, err := d.inHome(ctx)
	if err != nil {
		return err
	}
	replicas, err := d.findReplicas(ctx)
	if err != nil {
		return err
	}
	whole := set
	whole.Found = withReplicas(set.Found, replicas)
	d.result.Repositories = len(whole.Found)
	if known && d.home != nil && d.home.Artifact.Live {
		// A repository that users made or removed during the capture: Bitbucket's
		// integrity checks settle that.
		d.bothWays(ids, whole, d.tolerate)
	} else if known {
		d.bothWays(ids, whole, d.differ)
	}
	return d.readAll(ctx, set)
}

// inHome are the repositories of the home, none without one.
func (d *drill) inHome(ctx context.Context) (providers.RepositorySet, error) {
	if d.holder == nil {
		return providers.RepositorySet{}, nil
	}
	set, err := d.holder.Repositories(ctx, d.home.Artifact)
	if host.IsTrouble(err) {
		return set, notCarriedOut(err)
	}
	if err != nil {
		d.differ("its repositories cannot be found: %v", err)
	}
	return set, nil
}

// withReplicas adds to the repositories of the home those that only Mesh nodes have:
// one that is on its way to them may be in both.
func withReplicas(home, replicas []providers.Repository) []providers.Repository {
	out := slices.Clone(home)
	for _, r := range replicas {
		if !slices.ContainsFunc(home, func(h providers.Repository) bool { return h.ID == r.ID }) {
			out = append(out, r)
		}
	}
	return out
}

// readAll reads the repositories of the home and of the nodes, and compares the
// replicas of the latter.
func (d *drill) readAll(ctx context.Context, set providers.RepositorySet) error {
	if d.home != nil {
		if err := d.read(ctx, d.home.Artifact.Address, set); err != nil {
			return err
		}
	}
	for _, n := range d.nodes {
		if err := d.read(ctx, n.part.Artifact.Address, n.set); err != nil {
			return err
		}
	}
	return d.replicasAgree(ctx)
}

// named asks the database for its repositories, and notes what became of it.
func (d *drill) named(ctx context.Context) (ids []int64, known bool, err error) {
	if d.rehearsal == nil {
		return nil, false, nil
	}
	d.result.Database = catalog.DatabaseRestored
	ids, known, err = d.rehearsal.Named(ctx)
	if err == nil && !known {
		d.result.Database = catalog.DatabaseInHome
	}
	return ids, known, err
}

// bothWays compares the repositories of the database with those on disk.
//
// What only one of them has is for differ.
func (d *drill) bothWays(ids []int64, set providers.RepositorySet, differ func(format string, args ...any)) {
	found := map[int64]string{}
	for _, r := range set.Found {
		if other, twice := found[r.ID]; twice {
			d.differ("repository %d is on disk twice: in %s and in %s", r.ID, d.short(other), d.short(r.Dir))
		}
		found[r.ID] = r.Dir
	}
	for _, id := range ids {
		if _, ok := found[id]; !ok && !slices.Contains(set.Excluded, id) {
			differ("repository %d is in the database and not on disk", id)
		}
		delete(found, id)
	}
	for _, r := range set.Found {
		if dir, ok := found[r.ID]; ok && dir == r.Dir {
			differ("repository %d is on disk, in %s, and not in the database", r.ID, d.short(r.Dir))
		}
	}
}

// read lets git read the repositories, or a sample of them.
func (d *drill) read(ctx context.Context, address string, set providers.RepositorySet) error {
	list := slices.Clone(set.Found)
	if d.Sample > 0 && d.Sample < len(list) {
		// By chance, so that many drills come to all of them.
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] }) //nolint:gosec // nobody gains by knowing which
		list = list[:d.Sample]
	}
	g := newGit(d.Host, d.folder.private(), set)
	// All of them first: a repository that is read may lead to one that is not.
	if err := g.own(ctx, set.Found); err != nil {
		return notCarriedOut(err)
	}
	foreign, err := g.alternates(set.Found)
	if err != nil {
		return notCarriedOut(err)
	}
	started := event.Event{
		Time: time.Now(), Kind: event.StepStarted, Address: address, Phase: "read",
		Node: address + "/read", Message: "check the repositories with git",
	}
	d.Sink.Emit(started)
	var mu sync.Mutex
	checked := int64(0)
	wrong := map[int64][]string{}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(d.Workers, 1))
	for _, r := range list {
		group.Go(func() error {
			words := foreign[r.Dir]
			var err error
			if words == "" {
				words, err = g.read(gctx, r)
			}
			if gctx.Err() != nil {
				return context.Cause(gctx)
			}
			if err != nil {
				return notCarriedOut(err)
			}
			mu.Lock()
			defer mu.Unlock()
			d.result.Checked++
			checked++
			if words != "" {
				wrong[r.ID] = append(wrong[r.ID], words)
			}
			d.Sink.Emit(event.Event{
				Time: time.Now(), Kind: event.StepProgress, Address: started.Address,
				Files: checked, TotalFiles: int64(len(list)),
			})
			return nil
		})
	}
	err = group.Wait()
	d.ended(started, err)
	slices.SortFunc(list, func(a, b providers.Repository) int { return cmp.Compare(a.ID, b.ID) })
	for _, r := range list {
		for _, words := range wrong[r.ID] {
			d.differ("repository %d is broken%s: %s", r.ID, on(address), words)
		}
		delete(wrong, r.ID)
	}
	return err
}

// short is a path without the scratch folder, which will be gone.
func (d *drill) short(path string) string {
	if rest, ok := strings.CutPrefix(path, d.folder.private()+string(filepath.Separator)); ok {
		return rest
	}
	return path
}

// on names the Mesh node that an address is of; "" for the home.
func on(address string) string {
	if providers.IsMeshNode(address) {
		return " on " + address
	}
	return ""
}

// ended says how a step ended that began with started.
func (d *drill) ended(started event.Event, err error) {
	e := started
	e.Time, e.Kind, e.Elapsed = time.Now(), event.StepDone, time.Since(started.Time)
	if err != nil {
		e.Kind, e.Error = event.StepFailed, err.Error()
	}
	d.Sink.Emit(e)
}
