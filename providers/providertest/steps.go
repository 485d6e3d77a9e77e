package providertest

import (
	"context"

	"bkp/providers"
)

// Steps takes a strategy through a run as the engine does, for tests that kill the
// process on the way: captured, finished, and then discarded, or kept if keep is set.
func Steps(ctx context.Context, s providers.Strategy, b providers.BackupID, keep bool) error {
	if err := s.Prepare(ctx, b); err != nil {
		return err
	}
	if err := s.Warm(ctx); err != nil {
		return err
	}
	a, err := s.Capture(ctx, b)
	if err != nil {
		return err
	}
	if a, err = s.Finish(ctx, a); err != nil {
		return err
	}
	if !keep {
		return s.Discard(ctx, b)
	}
	keeper, ok := providers.As[providers.Keeper](s)
	if !ok {
		return providers.ErrNotFound
	}
	m := providers.Manifest{Format: providers.ManifestFormat, ID: b, Instance: b.Instance(), Artifacts: []providers.Artifact{a}}
	if _, err := keeper.Keep(ctx, m, a); err != nil {
		return err
	}
	return s.Sweep(ctx)
}
