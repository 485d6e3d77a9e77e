package cli

import (
	"context"
	"errors"
	"time"

	"bkp/internal/event"
	"bkp/internal/plan"
	"bkp/internal/planner"
	"bkp/internal/problem"
	"bkp/internal/ui/markdown"
)

type planCmd struct {
	Out              string   `placeholder:"FILE" help:"Save the plan, to be applied with: bkp apply FILE."`
	Target           []string `placeholder:"INSTANCE" help:"Only this instance; may be repeated."`
	Offline          bool     `help:"Look at nothing: lay out the steps and list what is not checked."`
	Format           string   `enum:"text,markdown" default:"text" help:"How to draw the plan: text, or markdown for a pull request."`
	DetailedExitcode bool     `help:"Exit with 2 when the plan has steps."`
	Parallelism      int      `default:"10" help:"How many steps outside the lock may run at once."`
}

// Help is shown by bkp plan --help.
func (planCmd) Help() string {
	return `Runs every check that a backup needs and prints its steps in order, with the
lock's boundary drawn. Nothing is written but the plan.

With --offline no instance, database, home or archive is looked at, as on the
machine of a reviewer. Values of env, file and properties that are not there are
left open. Such a plan is for reading: bkp apply refuses it.

Examples:
  bkp plan
  bkp plan --out tonight.bkpplan --target instance.prod
  bkp plan --offline --format markdown >comment.md

` + exitCodes
}

// The values of --format.
const formatMarkdown = "markdown"

func (c *planCmd) Run(ctx context.Context, s *session) error {
	if c.Format == formatMarkdown && s.JSON {
		return usagef("--format and --json exclude each other")
	}
	if err := placeForPlan(c.Out); err != nil {
		return err
	}
	s.offline = c.Offline
	file, err := c.make(ctx, s)
	if err := c.show(s, file, err); err != nil {
		return err
	}
	if c.Out != "" {
		if err := plan.Write(c.Out, file); err != nil {
			return problem.Wrap(err, "the plan cannot be saved", elsewhereOut)
		}
		if !s.JSON && !c.Offline {
			s.page.Hint("saved; to do just this:\n\n    bkp apply " + c.Out)
		}
	}
	if c.DetailedExitcode {
		return errSteps
	}
	return nil
}

func (c *planCmd) make(ctx context.Context, s *session) (plan.File, error) {
	if err := s.decide(); err != nil {
		return plan.File{}, err
	}
	p, err := s.plan(ctx, c.Target, c.Parallelism)
	if p == nil {
		return plan.File{}, err
	}
	return p.file, err
}

// show draws the plan. One with errors is drawn in Markdown alone, for whoever
// reviews it; it returns err.
func (c *planCmd) show(s *session, f plan.File, err error) error {
	if c.Format == formatMarkdown && (err == nil || errors.Is(err, errReported)) {
		if werr := markdown.Plan(s.io.Out, f, markdown.Findings(s.reported)); werr != nil {
			return werr
		}
		return err
	}
	if err != nil {
		return err
	}
	return s.showPlan(f)
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
		Config: s.config.Resolved(), ConfigDigest: s.config.Digest(), Offline: s.offline,
	}}
	var findings []planner.Finding
	for _, i := range instances {
		o, err := s.open(i, event.Discard{}, parallelism)
		if err != nil {
			return nil, err
		}
		defer o.close()
		result, err := s.lookOrLayOut(ctx, o)
		if err != nil {
			return nil, interruptedBy(ctx, err)
		}
		findings = append(findings, result.Findings...)
		p.file.Plans = append(p.file.Plans, result.Plan)
		p.opened[i.Name] = o
	}
	return p, s.findings(findings)
}

func (s *session) lookOrLayOut(ctx context.Context, o *opened) (planner.Result, error) {
	if !s.offline {
		return planner.Plan(ctx, s.request(o))
	}
	return planner.Offline(s.request(o))
}

func (s *session) showPlan(f plan.File) error {
	if s.JSON {
		return s.stream().Write(map[string]any{"event": "plan", "plan": f})
	}
	for _, p := range f.Plans {
		s.out.Plan(p)
	}
	s.out.PlanSummary(f)
	return nil
}
