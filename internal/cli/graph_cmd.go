package cli

import (
	"context"

	"bkp/internal/engine"
	"bkp/internal/engine/plan"
	"bkp/internal/problem"
	"bkp/internal/ui/graph"
)

type graphCmd struct {
	Plan   string   `arg:"" optional:"" name:"PLAN" help:"A plan saved by bkp plan --out; without it the configuration is drawn."`
	Format string   `enum:"dot,mermaid" default:"dot" help:"dot for Graphviz, or mermaid for Markdown."`
	Target []string `placeholder:"INSTANCE" help:"Only this instance; may be repeated."`
}

// Help is shown by bkp graph --help.
func (graphCmd) Help() string {
	return `Draws the steps of a backup and their dependencies, with the lock as a box.
Without a saved plan the steps come from the configuration alone, without checks.

Examples:
  bkp graph | dot -Tsvg >backup.svg
  bkp graph --format mermaid tonight.bkpplan

` + exitCodes("failed")
}

func (c *graphCmd) Run(ctx context.Context, s *session) error {
	if s.JSON {
		return problem.Usagef("graph does not support --json; the steps and their dependencies are in: bkp plan --offline --json")
	}
	if c.Plan != "" && len(c.Target) > 0 {
		return problem.Usagef("--target is for a configuration, and %s is a plan", c.Plan)
	}
	f, err := c.file(ctx, s)
	if err != nil {
		return err
	}
	if c.Format == "mermaid" {
		return graph.Mermaid(s.io.Out, f)
	}
	return graph.DOT(s.io.Out, f)
}

func (c *graphCmd) file(ctx context.Context, s *session) (plan.File, error) {
	if c.Plan != "" {
		return engine.ReadPlan(c.Plan, Version(), engine.MakesBackupPlan)
	}
	s.offline = true
	if err := s.load(); err != nil {
		return plan.File{}, err
	}
	p, err := s.engine().Plan(ctx, c.Target, 1)
	if err != nil {
		return plan.File{}, err
	}
	p.File.Plans = p.All // what is wrong with one does not change its steps
	return p.File, nil
}
