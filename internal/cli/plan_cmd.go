package cli

import (
	"context"
	"time"

	"bkp/internal/event"
	"bkp/internal/plan"
	"bkp/internal/planner"
	"bkp/internal/problem"
)

type planCmd struct {
	Out              string   `placeholder:"FILE" help:"Save the plan, to be applied with: bkp apply FILE."`
	Target           []string `placeholder:"INSTANCE" help:"Only this instance; may be repeated."`
	DetailedExitcode bool     `help:"Exit with 2 when the plan has steps."`
	Parallelism      int      `default:"10" help:"How many steps outside the lock may run at once."`
}

// Help is shown by bkp plan --help.
func (planCmd) Help() string {
	return `Runs every check that a backup needs and prints its steps in order, with the
lock's boundary drawn. Nothing is written but the plan.

Examples:
  bkp plan
  bkp plan --out tonight.bkpplan --target instance.prod

` + exitCodes
}

func (c *planCmd) Run(ctx context.Context, s *session) error {
	if err := s.decide(); err != nil {
		return err
	}
	planned, err := s.plan(ctx, c.Target, c.Parallelism)
	if err != nil {
		return err
	}
	if err := s.showPlan(planned.file); err != nil {
		return err
	}
	if c.Out != "" {
		if err := plan.Write(c.Out, planned.file); err != nil {
			return problem.Wrap(err, "the plan cannot be saved", "choose another file with --out")
		}
		if !s.JSON {
			s.page.Hint("saved; to do just this:\n\n    bkp apply " + c.Out)
		}
	}
	if c.DetailedExitcode {
		return errSteps
	}
	return nil
}

// planned is a plan with the opened instances that it is about.
type planned struct {
	file   plan.File
	opened map[string]*opened
}

// plan checks the chosen instances and lays out their backups. Findings are
// printed; an error among them gives errReported.
func (s *session) plan(ctx context.Context, targets []string, parallelism int) (*planned, error) {
	instances, err := s.instances(targets)
	if err != nil {
		return nil, err
	}
	p := &planned{opened: map[string]*opened{}, file: plan.File{
		Format: plan.Format, Tool: s.version, Folder: s.config.Dir, Created: time.Now().UTC(),
		Config: s.configValues(), ConfigDigest: s.config.Digest(),
	}}
	var findings []planner.Finding
	for _, i := range instances {
		o, err := s.open(i, event.Discard{}, parallelism)
		if err != nil {
			return nil, err
		}
		defer o.client.Close()
		result, err := planner.Plan(ctx, s.request(o))
		if err != nil {
			return nil, interruptedBy(ctx, err)
		}
		findings = append(findings, result.Findings...)
		p.file.Plans = append(p.file.Plans, result.Plan)
		p.opened[i.Name] = o
	}
	return p, s.findings(findings)
}

func (s *session) showPlan(f plan.File) error {
	if s.JSON {
		return s.stream().Write(map[string]any{"event": "plan", "plan": f})
	}
	for _, p := range f.Plans {
		s.out.Plan(p)
	}
	s.out.PlanSummary(f.Plans)
	return nil
}
