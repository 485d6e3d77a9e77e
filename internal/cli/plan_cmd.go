package cli

import (
	"context"
	"errors"

	"bkp/internal/engine"
	"bkp/internal/engine/plan"
	"bkp/internal/problem"
	"bkp/internal/ui/markdown"
)

type planCmd struct {
	Out               string   `placeholder:"FILE" help:"Save the plan, to be applied with: bkp apply FILE."`
	AcceptChangedHome bool     `help:"Accept a home on other file systems than in the last backup, or without most of its files."`
	Target            []string `placeholder:"INSTANCE" help:"Only this instance; may be repeated."`
	Offline           bool     `help:"Check nothing: show the steps, and list what is not checked."`
	Format            string   `enum:"text,markdown" default:"text" help:"Format of the plan: text, or markdown for a pull request."`
	Full              bool     `help:"Show what was not checked of every instance, also if it is the same."`
	DetailedExitcode  bool     `help:"Exit with 2 when the plan has steps."`
	Parallelism       int      `default:"10" help:"How many steps outside the lock may run at once."`
}

// Help is shown by bkp plan --help.
func (planCmd) Help() string {
	return `Runs every check that a backup needs and prints its steps in order, with the start
and the end of the lock. It changes nothing, and writes only the plan with --out.

With --offline no instance, database, home or archive is contacted, for example on
the machine of a reviewer. Values of env, file and properties that do not exist
there are unknown. Such a plan is for review only: bkp apply refuses it.

Examples:
  bkp plan
  bkp plan --out tonight.bkpplan --target instance.prod
  bkp plan --offline --format markdown >comment.md

` + exitCodes("failed, or the checks found an error", ExitSteps, exitCrashed)
}

// The values of --format.
const formatMarkdown = "markdown"

func (c *planCmd) Run(ctx context.Context, s *session) error {
	if err := atLeastOne("--parallelism", c.Parallelism); err != nil {
		return err
	}
	if c.Format == formatMarkdown && s.JSON {
		return problem.Usagef("--format and --json cannot be combined")
	}
	if err := engine.PlaceForPlan(c.Out, engine.MakesBackupPlan); err != nil {
		return err
	}
	s.offline, s.acceptChangedHome, s.full = c.Offline, c.AcceptChangedHome, c.Full
	if err := s.decide(); err != nil {
		return c.show(s, &engine.Planned{}, err)
	}
	p, err := s.engine().Plan(ctx, c.Target, c.Parallelism)
	if p == nil {
		p = &engine.Planned{}
	}
	if err := c.show(s, p, err); err != nil {
		return err
	}
	if err := p.NotBackedUp(); err != nil {
		return c.incomplete(s, err)
	}
	if err := c.save(s, p.File); err != nil {
		return err
	}
	if c.DetailedExitcode {
		return errSteps
	}
	return nil
}

// incomplete ends a plan without some of the instances. It is not saved: a person who
// applies it would take it for all of them.
func (c *planCmd) incomplete(s *session, err error) error {
	if c.Out != "" {
		s.warn("the plan is not saved, because instances are missing in it", "fix the errors of these instances, or name the others with --target")
	}
	return err
}

func (c *planCmd) save(s *session, f plan.File) error {
	if c.Out == "" {
		return nil
	}
	return savePlan(s, c.Out, f, engine.MakesBackupPlan, "bkp apply")
}

// savePlan writes a plan, which the command makes makes and command carries out.
func savePlan(s *session, out string, f plan.File, makes, command string) error {
	if err := plan.Write(out, f); err != nil {
		return problem.Wrap(err, "the plan cannot be saved", engine.ElsewhereOut(makes))
	}
	if !s.JSON && !f.Offline {
		s.page.Hint("saved; to do just this:\n\n    " + command + " " + out)
	}
	return nil
}

// show draws the plan. One with errors is drawn in Markdown alone, for those who
// reviews it; it returns err.
func (c *planCmd) show(s *session, p *engine.Planned, err error) error {
	if c.Format == formatMarkdown && (err == nil || errors.Is(err, errReported)) {
		f := p.File
		f.Plans = p.All
		if werr := markdown.Plan(s.io.Out, f, markdown.Findings(s.reported)); werr != nil {
			return werr
		}
		return err
	}
	if err != nil {
		return err
	}
	return s.showPlan(p.File)
}

func (s *session) showPlan(f plan.File) error {
	if s.JSON {
		return s.stream().Write(map[string]any{"event": "plan", "plan": f})
	}
	s.out.Plans(f.Plans, s.full)
	s.out.PlanSummary(f)
	return nil
}
