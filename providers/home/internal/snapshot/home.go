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
	if err := h.tidy(ctx, b); err != nil {
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
	c, completes := h.storage.(Completer)
	if completes {
		if err := c.Await(ctx, t, l.Volumes); err != nil {
			return a, err
		}
	}
	set, err := h.set(ctx, t, l)
	if err != nil {
		return a, err
	}
	if completes {
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
