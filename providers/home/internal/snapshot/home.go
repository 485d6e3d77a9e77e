package snapshot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/internal/mark"
)

// Options are those that every definition of such a home has.
func Options() []providers.Option {
	return []providers.Option{providers.Yields(providers.Staged, providers.Native), providers.Does(providers.Prepare, providers.Finish), providers.Atomic()}
}

// Home is a home that is captured by snapshots of its storage.
type Home struct {
	home.Base

	storage  Storage
	strategy string

	// expected are the volumes that the plan saw, now is where the home lies.
	expected map[string]string
	now      *layout
	view     *view
}

var _ providers.Keeper = (*Home)(nil)

// New returns the home of a configuration. typ is the type of its definition,
// such as btrfs.
func New(typ string, storage Storage, c home.Config, env providers.Env) *Home {
	if c.OfNode() {
		env.Instance.Folders = nil // they belong to the instance's own home
	}
	base := home.Base{Config: c, Env: env, Also: home.AlsoParts(env.Instance.Folders)}
	return &Home{Base: base, storage: storage, strategy: c.Named(typ)}
}

// tag is that of a backup's snapshots.
func (h *Home) tag(b providers.BackupID) Tag {
	return Tag{Backup: b, Address: h.Env.Address, Owner: mark.Owner(h.Env.WorkDir)}
}

func (h *Home) views() string { return filepath.Join(h.Env.WorkDir, "views") }

// Check implements providers.Strategy.
func (h *Home) Check(ctx context.Context) (providers.Report, error) {
	r, err := h.Base.Check(ctx)
	if err != nil {
		return r, err
	}
	if r.Failed() {
		return r, h.absent(ctx, &r)
	}
	l, err := h.find(ctx)
	var p *problem.Problem
	if errors.As(err, &p) {
		r.Add(p)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	l.facts(r.Facts)
	h.checkFolders(&r, l)
	findings, err := h.storage.Check(ctx, l.Volumes)
	r.Findings = append(r.Findings, findings...)
	if err != nil || r.Failed() {
		return r, err
	}
	if err := h.strangers(ctx, &r); err != nil {
		return r, err
	}
	h.describe(&r, l)
	return r, nil
}

// checkFolders refuses a database whose files lie on volumes that are not captured
// at one instant: it writes them all the time, under the lock, too.
func (h *Home) checkFolders(r *providers.Report, l layout) {
	byAddress := map[string][]Volume{}
	for i, f := range h.Env.Instance.Folders {
		for _, p := range l.Parts {
			if p.Place != h.Also[i].Name {
				continue
			}
			for _, s := range append([]spot{p.spot}, p.Inside...) {
				v := l.Volumes[l.volume(s.Volume)]
				if !slices.Contains(byAddress[f.Address], v) {
					byAddress[f.Address] = append(byAddress[f.Address], v)
				}
			}
		}
	}
	for _, address := range slices.Sorted(maps.Keys(byAddress)) {
		if volumes := byAddress[address]; !h.storage.Atomic(volumes) {
			r.Add(problem.New("database lies on several volumes", fmt.Sprintf("the files of %s are on %s, whose snapshots cannot be taken at one instant", address, layout{Volumes: volumes}.names()),
				`bring them to one volume, or dump the database: database "postgresql"`))
		}
	}
}

// absent adds, to a report of a home that is not there or not whole, what the storage
// knows of it.
func (h *Home) absent(ctx context.Context, r *providers.Report) error {
	s, ok := h.storage.(Absenter)
	if !ok {
		return nil
	}
	for _, p := range h.Parts() {
		found, err := s.Absent(ctx, p.Source)
		if err != nil {
			return err
		}
		if found != nil {
			r.Add(found)
		}
	}
	return nil
}

func (h *Home) describe(r *providers.Report, l layout) {
	how := "take a snapshot of " + l.names()
	if len(l.Volumes) > 1 {
		how = "take snapshots of " + l.names() + ", at one instant"
		if !h.storage.Atomic(l.Volumes) {
			how = "take snapshots of " + l.names() + ", one after the other"
		}
	}
	for _, p := range h.Parts() {
		if s, ok := h.storage.(Sharer); ok && s.SharesBlocks() {
			r.Trees = append(r.Trees, p.Source)
		} else {
			r.Trees = append(r.Trees, "")
		}
	}
	r.Does[providers.Prepare] = "bring the home to disk, and remove snapshots that interrupted runs left"
	r.Does[providers.Capture] = how
	r.Does[providers.Finish] = "mount what was captured outside the home, to be read: " + home.Describe(r.Estimate)
	if _, ok := h.storage.(Completer); ok {
		const waits = "wait until the snapshots are complete"
		if h.Env.Instance.Stays {
			r.Does[providers.Finish] = waits
		} else {
			r.Does[providers.Finish] = waits + ", and " + r.Does[providers.Finish]
		}
	}
	r.Does[providers.Restore] = "put the home back and remove stale git lock files"
}

// strangers warns of snapshots of this home that nobody cleans up: those of
// another state folder, which is gone or has forgotten them.
func (h *Home) strangers(ctx context.Context, r *providers.Report) error {
	sets, findings, err := h.storage.Sets(ctx)
	if err != nil {
		return err
	}
	r.Findings = append(r.Findings, findings...)
	mine := mark.Owner(h.Env.WorkDir)
	for _, s := range sets {
		if s.Tag.Owner == mine || s.Kept() || s.Tag.Address != h.Env.Address || s.Tag.Backup.Instance() != h.Env.Instance.Name {
			continue
		}
		var names []string
		for _, sn := range s.Snapshots {
			names = append(names, sn.Name)
		}
		r.Add(problem.Warn("snapshots of another state folder", fmt.Sprintf("%s of backup %s, which nobody keeps", strings.Join(names, ", "), s.Tag.Backup),
			"if no other bkp backs up this home, remove them with the tools of the storage: they hold on to space"))
	}
	return nil
}

// Expect implements providers.Strategy.
func (h *Home) Expect(facts map[string]string) {
	h.Base.Expect(facts)
	h.expected = map[string]string{}
	for key, id := range facts {
		if strings.HasPrefix(key, factOn) {
			h.expected[key] = id
		}
	}
}

// Prepare implements providers.Strategy.
func (h *Home) Prepare(ctx context.Context, b providers.BackupID) error {
	if err := h.Arrive(); err != nil {
		return err
	}
	l, err := h.find(ctx)
	if err != nil {
		return err
	}
	if err := h.same(l); err != nil {
		return err
	}
	// What earlier runs took and no backup needs. The engine has discarded, or
	// keeps, all that a backup on its list has.
	if err := h.remove(ctx, func(Tag) bool { return true }); err != nil {
		return err
	}
	if err := h.storage.Prepare(ctx, h.tag(b), l.Volumes); err != nil {
		return err
	}
	h.now = &l
	return h.Settled(ctx)
}

// same refuses other volumes than those of the plan.
func (h *Home) same(l layout) error {
	if len(h.expected) == 0 {
		return nil
	}
	now := map[string]string{}
	l.facts(now)
	if maps.Equal(now, h.expected) {
		return nil
	}
	return problem.New("volumes of the home changed", "the home lies on "+l.names()+", and not all of them are those that the plan saw",
		"look at the home, then plan again")
}

// Warm implements providers.Strategy.
func (h *Home) Warm(ctx context.Context) error {
	if h.now == nil {
		return nil
	}
	return h.storage.Warm(ctx, h.now.Volumes)
}

// Capture implements providers.Strategy.
func (h *Home) Capture(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	if h.now == nil {
		if err := h.Prepare(ctx, b); err != nil {
			return providers.Artifact{}, err
		}
	}
	if err := h.Still(); err != nil {
		return providers.Artifact{}, err
	}
	at := time.Now()
	taken, err := h.storage.Take(ctx, h.tag(b), h.now.Volumes)
	if err != nil {
		return providers.Artifact{}, err
	}
	if len(taken) != len(h.now.Volumes) {
		return providers.Artifact{}, fmt.Errorf("of %d volumes, %d snapshots were taken", len(h.now.Volumes), len(taken))
	}
	if err := h.Still(); err != nil {
		return providers.Artifact{}, err
	}
	a := h.Artifact(h.strategy, at, nil)
	a.Trees = nil
	h.now.facts(a.Facts)
	a.Ref, err = h.now.ref(h.tag(b))
	if _, ok := h.storage.(Completer); ok {
		a.Life = providers.Pending
	}
	return a, err
}

// Finish mounts what was captured. It may be called again, in another process
// too, as long as the snapshots are there.
func (h *Home) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	t, l, err := layoutOf(a)
	if err != nil {
		return a, err
	}
	if err := h.whole(ctx, l); err != nil {
		return a, err
	}
	set, err := h.set(ctx, t, l)
	if err != nil {
		return a, err
	}
	if c, ok := h.storage.(Completer); ok {
		if err := c.Complete(ctx, set); err != nil {
			return a, err
		}
		if a.Life == providers.Pending && h.Env.Instance.Stays {
			a.Life = providers.Native // nobody reads it
			return a, nil
		}
	}
	if err := h.close(ctx); err != nil {
		return a, err
	}
	v, err := openView(ctx, h.storage, h.views(), set, l)
	if err != nil {
		return a, err
	}
	h.view, a.Trees, a.Life = v, v.trees, providers.Staged
	_, err = h.Ruled(a.Trees)
	return a, err
}

// whole refuses a capture that lacks a volume which somebody nested in the home
// after Prepare. In another process it is not known where the home lay.
func (h *Home) whole(ctx context.Context, l layout) error {
	if h.now == nil {
		return nil
	}
	now, err := h.find(ctx)
	if err != nil {
		return err
	}
	captured, there := map[string]string{}, map[string]string{}
	l.facts(captured)
	now.facts(there)
	if maps.Equal(captured, there) {
		return nil
	}
	return problem.New("volumes of the home changed", "the home lies on "+now.names()+" now, and the snapshots are of "+l.names(),
		"let nobody make or remove volumes inside the home during a backup, then run again")
}

// set finds the snapshots of a tag, all of them.
func (h *Home) set(ctx context.Context, t Tag, l layout) (Set, error) {
	sets, _, err := h.storage.Sets(ctx)
	if err != nil {
		return Set{}, err
	}
	i := slices.IndexFunc(sets, func(s Set) bool { return s.Tag == t })
	if i < 0 {
		return Set{}, gone(t, l.Volumes[0])
	}
	for _, v := range l.Volumes {
		s, ok := sets[i].of(v.ID)
		if !ok {
			return Set{}, gone(t, v)
		}
		if err := h.storage.Intact(ctx, s); err != nil {
			return Set{}, err
		}
	}
	return sets[i], nil
}

// Sweep implements providers.Strategy: what is mounted of a dead run is unmounted.
func (h *Home) Sweep(ctx context.Context) error {
	if err := h.close(ctx); err != nil {
		return err
	}
	found, err := sweepViews(ctx, h.views())
	if s, ok := h.storage.(Sweeper); ok {
		return errors.Join(err, s.Sweep(ctx))
	}
	if err != nil || found == 0 {
		return err
	}
	sets, _, err := h.storage.Sets(ctx)
	if err != nil {
		return err
	}
	for _, set := range sets {
		for _, s := range set.Snapshots {
			if set.Tag.Owner != mark.Owner(h.Env.WorkDir) {
				continue
			}
			if err := h.storage.Release(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// Discard implements providers.Strategy.
func (h *Home) Discard(ctx context.Context, b providers.BackupID) error {
	return h.remove(ctx, func(t Tag) bool { return t.Backup == b })
}

// remove removes the sets of this state folder's home that nothing keeps.
func (h *Home) remove(ctx context.Context, which func(Tag) bool) error {
	if err := h.Sweep(ctx); err != nil {
		return err
	}
	sets, _, err := h.storage.Sets(ctx)
	if err != nil {
		return err
	}
	for _, s := range sets {
		if s.Kept() || s.Tag != h.tag(s.Tag.Backup) || !which(s.Tag) {
			continue
		}
		if err := h.storage.Delete(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Close implements providers.Strategy. What is still being read stays mounted,
// and the next run ends it.
func (h *Home) Close() error {
	err := h.close(context.Background())
	if errors.Is(err, errBusy) {
		return nil
	}
	return err
}

func (h *Home) close(ctx context.Context) error {
	if h.view == nil {
		return nil
	}
	if err := h.view.close(ctx); err != nil {
		return err
	}
	h.view = nil
	return nil
}
