package none

import (
	"context"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// Config is the block database "none", which has no attributes.
type Config struct{}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Databases, "none", "no database: it is backed up by other means", Config{},
		func(_ Config, env providers.Env) (providers.Strategy, error) { return &strategy{env: env}, nil }, providers.Empty())
}

type strategy struct {
	providers.Base

	env providers.Env
}

// Check implements providers.Strategy.
func (s *strategy) Check(context.Context) (providers.Report, error) {
	r := providers.Report{Does: map[providers.Verb]string{
		providers.Capture: "capture nothing of the database",
		providers.Restore: "restore nothing to the database",
	}}
	r.Add(problem.Warn("database is not backed up", s.env.Address,
		"back it up inside the same lock, or declare its strategy: a home without its database cannot be restored"))
	return r, nil
}

// Capture implements providers.Strategy.
func (s *strategy) Capture(context.Context, providers.BackupID) (providers.Artifact, error) {
	return providers.Artifact{Address: s.env.Address, Strategy: Definition().Name(), PointInTime: time.Now().UTC(), Life: providers.External}, nil
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
	s.env.Warning("the backup holds no database: restore the one that belongs to the home from where it is kept")
	return nil
}
