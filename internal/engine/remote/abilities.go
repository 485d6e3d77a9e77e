package remote

import (
	"context"
	"slices"

	"bkp/internal/problem"
	"bkp/providers"
)

func notCompared(err error) *problem.Problem {
	return problem.Wrap(err, "earlier backups could not be compared", problem.Remedy(err))
}

// keeper is a strategy whose snapshots may stay on their machine.
type keeper struct {
	providers.Strategy
	s *strategy
}

// Unwrap returns the strategy without the ability.
func (k keeper) Unwrap() providers.Strategy { return k.Strategy }

// List implements providers.Shelf.
func (k keeper) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	out, err := k.s.call(ctx, call{Name: callList})
	return out.Manifests, out.Findings, err
}

// Verify implements providers.Shelf.
func (k keeper) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	out, err := k.s.call(ctx, call{Name: callVerify, Backup: b})
	return out.Findings, err
}

// Delete implements providers.Shelf.
func (k keeper) Delete(ctx context.Context, b providers.BackupID) error {
	_, err := k.s.call(ctx, call{Name: callDelete, Backup: b})
	return err
}

// Keep implements providers.Keeper.
func (k keeper) Keep(ctx context.Context, m providers.Manifest, a providers.Artifact) (providers.Artifact, error) {
	m.Artifacts = slices.Clone(m.Artifacts)
	for i, art := range m.Artifacts {
		m.Artifacts[i] = *there(art)
	}
	out, err := k.s.call(ctx, call{Name: callKeep, Manifest: &m, Artifact: there(a)})
	if err != nil {
		return providers.Artifact{}, err
	}
	return k.s.here(out.Artifact), nil
}

// recorder is a strategy with a record of its trees. It stays on their machine, where
// they are compared with it when they are packed.
type recorder struct {
	providers.Strategy
	s *strategy
}

// Unwrap returns the strategy without the ability.
func (r recorder) Unwrap() providers.Strategy { return r.Strategy }

// Record implements providers.Recorder. What it returns knows no folder.
func (recorder) Record(context.Context, providers.Artifact) (providers.Record, error) {
	return elsewhere{}, nil
}

// Distrust implements providers.Recorder.
func (r recorder) Distrust(ctx context.Context, a providers.Artifact, folders []string) error {
	_, err := r.s.call(ctx, call{Name: callDistrust, Artifact: there(a), Folders: folders})
	return err
}

// elsewhere is a record that lies on another machine.
type elsewhere struct{}

func (elsewhere) Folder(string) ([]providers.Recorded, bool, error) { return nil, false, nil }
func (elsewhere) Intact(context.Context) error                      { return nil }
func (elsewhere) Close() error                                      { return nil }

// rehearser is a strategy that restores on trial. It does so on this machine: a drill
// is nothing to do to a machine that is in use.
type rehearser struct {
	providers.Strategy
	providers.Rehearser
}

// Unwrap returns the strategy without the ability.
func (r rehearser) Unwrap() providers.Strategy { return r.Strategy }
