package command

import (
	"context"

	"bkp/providers"
	"bkp/providers/command"
)

const name = `database "command"`

// Config is the block database "command".
type Config struct {
	providers.Placed
	command.Commands
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := c.Commands.ValidateConfig()
	if !c.Has(command.Restore) && !c.Keeps() { // which has said so
		out = append(out, providers.ConfigProblem{Summary: "database without a command to restore it", Detail: "there is no block restore, and bkp does not know how to bring the database back",
			Remedy: "add a block restore"})
	}
	return out
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Databases, "command", "dumps or snapshots by commands of your own, for a database that bkp does not know", Config{Commands: command.Defaults()}, open,
		providers.Configured(func(c Config) []providers.Option {
			var does []providers.Verb
			if c.Has(command.Prepare) || c.Has(command.Warm) {
				does = append(does, providers.Prepare)
			}
			if c.Has(command.Finish) {
				does = append(does, providers.Finish)
			}
			return []providers.Option{providers.Does(does...), providers.Yields(c.Yields()...)}
		}))
}

func open(c Config, env providers.Env) (providers.Strategy, error) {
	s := &strategy{part: command.NewPart(c.Commands, env, name, nil)}
	if c.Keeps() {
		return &keeper{s, command.Keeper{Part: s.part}}, nil
	}
	return s, nil
}

type strategy struct {
	providers.Base
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
	var r providers.Report
	return r, s.part.CheckCommands(ctx, &r)
}

// Prepare implements providers.Strategy.
func (s *strategy) Prepare(ctx context.Context, b providers.BackupID) error {
	return s.part.PrepareBackup(ctx, b)
}

// Warm implements providers.Strategy.
func (s *strategy) Warm(ctx context.Context) error { return s.part.WarmUp(ctx) }

// Capture implements providers.Strategy.
func (s *strategy) Capture(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	return s.part.CaptureInstant(ctx, b)
}

// Finish implements providers.Strategy.
func (s *strategy) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	return s.part.FinishUp(ctx, a)
}

// Sweep implements providers.Strategy.
func (s *strategy) Sweep(ctx context.Context) error { return s.part.SweepKept(ctx) }

// Undo implements providers.Undoer.
func (s *strategy) Undo(b providers.BackupID) []providers.UndoCommand { return s.part.UndoOf(b) }

// Discard implements providers.Strategy.
func (s *strategy) Discard(ctx context.Context, b providers.BackupID) error {
	return s.part.DiscardAll(ctx, b)
}

// Restorer implements providers.Strategy. What a target means the command decides.
func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	return &command.Back{Part: s.part, Target: target}, nil
}
