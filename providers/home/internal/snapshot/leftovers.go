package snapshot

import (
	"context"
	"errors"
	"fmt"

	"bkp/providers"
	"bkp/providers/internal/mark"
)

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

// Discard implements providers.Strategy. What the storage does not show yet goes with the next
// Prepare.
func (h *Home) Discard(ctx context.Context, b providers.BackupID) error {
	var noted error
	if c, ok := h.storage.(Completer); ok {
		noted = c.Discarded(b)
	}
	return errors.Join(noted, h.removeOf(ctx, b))
}

func (h *Home) removeOf(ctx context.Context, b providers.BackupID) error {
	return h.remove(ctx, func(s Set) bool { return s.Tag.Backup == b })
}

// tidy removes what earlier runs took and no backup needs, before backup b. Something that holds
// on to a snapshot of another one, such as an image, stops no run.
func (h *Home) tidy(ctx context.Context, b providers.BackupID) error {
	if err := h.removeOf(ctx, b); err != nil {
		return err
	}
	needless := func(Set) bool { return true }
	if c, ok := h.storage.(Completer); ok {
		needless = c.Abandoned
	}
	err := h.remove(ctx, needless)
	if err == nil || ctx.Err() != nil {
		return err
	}
	h.Env.Warning(fmt.Sprintf("snapshots of an earlier run could not be removed, which the next run tries again: %v", err))
	return nil
}

// remove removes the sets of this state folder's home that nothing keeps.
func (h *Home) remove(ctx context.Context, which func(Set) bool) error {
	if err := h.Sweep(ctx); err != nil {
		return err
	}
	sets, _, err := h.storage.Sets(ctx)
	if err != nil {
		return err
	}
	var left error
	for _, s := range sets {
		if s.Kept() || s.Tag != h.tag(s.Tag.Backup) || !which(s) {
			continue
		}
		left = errors.Join(left, h.storage.Delete(ctx, s))
	}
	return left
}
