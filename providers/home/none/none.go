// Package none is the strategy home "none": nothing is captured, because
// somebody else backs the home up.
//
// It leaves out any promise that such a backup fits the database's.
package none

import (
	"context"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// Config is the block home "none", which has no attributes.
type Config struct{}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Homes, "none", "no home: it is backed up by other means", Config{},
		func(_ Config, env providers.Env) (providers.Strategy, error) { return &strategy{env: env}, nil }, providers.Empty())
}

type strategy struct {
	providers.Base

	env providers.Env
}

// Check implements providers.Strategy.
func (s *strategy) Check(context.Context) (providers.Report, error) {
	r := providers.Report{Does: map[providers.Verb]string{
		providers.Capture: "capture nothing of the home",
		providers.Restore: "restore nothing to the home",
	}}
	r.Add(problem.Warn("home is not backed up", s.env.Address,
		"back it up inside the same lock, or declare its strategy: a database without its home cannot be restored"))
	return r, nil
}

// Capture implements providers.Strategy.
func (s *strategy) Capture(ctx context.Context, _ providers.BackupID) (providers.Artifact, error) {
	return providers.Artifact{Address: s.env.Address, Strategy: Definition().Name(), PointInTime: time.Now().UTC(), Life: providers.External}, context.Cause(ctx)
}

// Discard implements providers.Strategy.
func (*strategy) Discard(context.Context, providers.BackupID) error { return nil }

// Restorer implements providers.Strategy. Whatever the target is, nothing comes there.
func (s *strategy) Restorer(string) (providers.Restorer, error) {
	return restorer{env: s.env}, nil
}

type restorer struct {
	providers.BaseRestorer

	env providers.Env
}

// Restore implements providers.Restorer.
func (s restorer) Restore(context.Context, providers.Artifact) error {
	s.env.Warning("the backup holds no home: restore the one that belongs to the database from where it is kept")
	return nil
}
