package command

import (
	"context"
	"maps"

	"bkp/providers"
	"bkp/providers/command"
	"bkp/providers/home"
)

const typ = "command"

// Config is the block home "command".
type Config struct {
	home.Config
	command.Commands
}

// NodeConfig is the block mesh_node "command".
type NodeConfig struct {
	home.NodeConfig
	command.Commands
}

// ValidateConfig implements providers.ConfigValidator.
func (c *NodeConfig) ValidateConfig() []providers.ConfigProblem {
	return append(c.NodeConfig.ValidateConfig(), c.Commands.ValidateConfig()...)
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	return append(c.Config.ValidateConfig(), c.Commands.ValidateConfig()...)
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Homes, typ, "snapshots by commands of your own, for a SAN or anything else", Config{home.Defaults(), command.Defaults()}, open,
		providers.Configured(func(c Config) []providers.Option { return options(&c.Commands) }))
}

// NodeDefinition describes the strategy for the home of a Mesh node.
func NodeDefinition() providers.Definition {
	return providers.Define(providers.MeshNodes, typ, "snapshots by commands of your own, for a SAN or anything else", NodeConfig{home.NodeDefaults(), command.Defaults()},
		func(c NodeConfig, env providers.Env) (providers.Strategy, error) {
			return open(Config{c.Home(), c.Commands}, env)
		}, providers.Configured(func(c NodeConfig) []providers.Option { return options(&c.Commands) }))
}

func options(c *command.Commands) []providers.Option {
	does := []providers.Verb{providers.Prepare} // the look where the home lies
	if c.Has(command.Finish) {
		does = append(does, providers.Finish)
	}
	return []providers.Option{providers.Does(does...), providers.Yields(c.Yields()...)}
}

func open(c Config, env providers.Env) (providers.Strategy, error) {
	s := &strategy{
		Base: home.Base{Config: c.Config, Env: env},
		part: command.NewPart(c.Commands, env, c.Named(typ), &command.Home{Path: c.Path, DataStores: c.DataStores}),
	}
	if c.Keeps() {
		return &keeper{s, command.Keeper{Part: s.part}}, nil
	}
	return s, nil
}

type strategy struct {
	home.Base
	part *command.Part
}

// keeper is a strategy whose snapshots may stay.
type keeper struct {
	*strategy
	command.Keeper
}

var _ providers.Keeper = (*keeper)(nil)

// Check implements providers.Strategy.
func (s *strategy) Check(ctx context.Context) (providers.Report, error) {
	r, err := s.Base.Check(ctx)
	if err != nil {
		return r, err
	}
	r.Does[providers.Prepare] = "look where the home lies"
	return r, s.part.CheckCommands(ctx, &r)
}

// Prepare implements providers.Strategy.
func (s *strategy) Prepare(ctx context.Context, b providers.BackupID) error {
	if err := s.Arrive(); err != nil {
		return err
	}
	if err := s.part.PrepareBackup(ctx, b); err != nil {
		return err
	}
	return s.Settled(ctx)
}

// Warm implements providers.Strategy.
func (s *strategy) Warm(ctx context.Context) error { return s.part.WarmUp(ctx) }

// Capture implements providers.Strategy.
func (s *strategy) Capture(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	if err := s.Still(); err != nil {
		return providers.Artifact{}, err
	}
	a, err := s.part.CaptureInstant(ctx, b)
	if err != nil {
		return a, err
	}
	if err := s.Still(); err != nil {
		return providers.Artifact{}, err
	}
	ours := s.Artifact(s.Config.Named(typ), a.PointInTime, nil)
	a.Repositories = ours.Repositories
	facts := maps.Clone(a.Facts)
	a.Facts = ours.Facts
	for key, value := range facts {
		if _, taken := a.Facts[key]; !taken {
			a.Facts[key] = value
		}
	}
	return s.ruled(a)
}

// ruled gives a finished artifact's trees the home's rules.
func (s *strategy) ruled(a providers.Artifact) (providers.Artifact, error) {
	if a.Life != providers.Staged {
		return a, nil
	}
	trees, err := s.Ruled(a.Trees)
	a.Trees = trees
	return a, err
}

// Finish implements providers.Strategy.
func (s *strategy) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	done, err := s.part.FinishUp(ctx, a)
	if err != nil {
		return a, err
	}
	if done, err = s.ruled(done); err != nil {
		return a, err
	}
	return done, nil
}

// Sweep implements providers.Strategy.
func (s *strategy) Sweep(ctx context.Context) error { return s.part.SweepKept(ctx) }

// Undo implements providers.Undoer.
func (s *strategy) Undo(b providers.BackupID) []providers.UndoCommand { return s.part.UndoOf(b) }

// Discard implements providers.Strategy.
func (s *strategy) Discard(ctx context.Context, b providers.BackupID) error {
	return s.part.DiscardAll(ctx, b)
}
