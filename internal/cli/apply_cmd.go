package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"bkp/internal/engine"
	"bkp/internal/engine/plan"
	"bkp/internal/problem"
	"bkp/providers"
)

// askAgain is how long an answer may take before the plan is checked again.
const askAgain = time.Minute

type applyCmd struct {
	Plan              string   `arg:"" optional:"" name:"PLAN" help:"A plan saved by bkp plan --out."`
	AutoApprove       bool     `help:"Do not ask for approval."`
	AcceptChangedHome bool     `help:"Accept a home on other file systems than in the last backup, or without most of its files."`
	Target            []string `placeholder:"INSTANCE" help:"Only this instance; may be repeated."`
	Resume            string   `placeholder:"ID" help:"Store a backup that was captured, but could not be stored."`
	Parallelism       int      `default:"10" help:"How many instances, and how many steps outside of locks, may run at once."`
}

// Help is shown by bkp apply --help.
func (applyCmd) Help() string {
	return `Makes a plan, shows it, asks for approval, and carries it out. A saved plan is
carried out without a question, unless the configuration or what was checked has
changed since.

The instance is unlocked in every case. The first Ctrl-C cancels the run, unlocks
and cleans up. The second one still unlocks, but leaves the cleanup to the next run.

Examples:
  bkp apply
  bkp apply --auto-approve            (cron)
  bkp apply tonight.bkpplan
  bkp apply --resume prod-20261122T214431Z

` + exitCodes("", ExitMayBeLocked, ExitAfterCapture, ExitRunning, ExitLost, exitCrashed)
}

func (c *applyCmd) Run(ctx context.Context, s *session) error {
	if err := atLeastOne("--parallelism", c.Parallelism); err != nil {
		return err
	}
	if c.Resume != "" && (c.Plan != "" || len(c.Target) > 0) {
		return problem.Usagef("--resume cannot be combined with a plan, --target or other flags of a new backup")
	}
	id, err := providers.ParseBackupID(c.Resume)
	if c.Resume != "" && err != nil {
		return problem.Usage(err)
	}
	if c.AcceptChangedHome && (c.Resume != "" || c.Plan != "") {
		return problem.Usagef("--accept-changed-home is for a new plan: give it to bkp plan --out")
	}
	s.acceptChangedHome = c.AcceptChangedHome
	saved, err := c.saved(s)
	if err != nil {
		return err
	}
	read := s.decide
	if c.Resume != "" {
		read = s.load // the backup is made: no check of the team may lose it
	}
	if err := read(); err != nil {
		return s.stillLockedThough(err)
	}
	lock, err := s.engine().Lock()
	if err != nil {
		return s.engine().StillLocked(err)
	}
	defer func() { _ = lock.Unlock() }()
	if _, err := s.engine().Recover(ctx); err != nil {
		return err
	}
	s.warnOf(s.engine().CleanRestore())
	if c.Resume != "" {
		return s.engine().Resume(ctx, id)
	}
	s.engine().WarnOfUnfinished()
	p, err := c.agreed(ctx, s, saved)
	if err != nil {
		return err
	}
	defer s.engine().TidyRecords()
	return s.backUp(ctx, p, c.Parallelism)
}

// backUp follows the plans, and says of several how many backups were made.
func (s *session) backUp(ctx context.Context, p *engine.Planned, parallelism int) error {
	made, err := s.engine().BackUp(ctx, p, parallelism)
	if all := len(p.File.Plans) + len(p.Failed); all > 1 {
		s.say("backed up: %d of %s", made, problem.Counted(all, "instance"))
	}
	return err
}

// saved reads the saved plan, if one is to be followed. It comes before all
// else: a plan that cannot be followed has no effect at all.
func (c *applyCmd) saved(s *session) (*plan.File, error) {
	if c.Plan == "" {
		return nil, nil
	}
	f, err := engine.ReadPlan(c.Plan, s.version, engine.MakesBackupPlan)
	if err == nil && f.Offline {
		err = problem.New("the plan was made offline", "nothing that the backup needs was checked for "+c.Plan,
			"make a plan on the machine that makes the backup, and read it:\n\n    bkp plan --out "+c.Plan)
	}
	return &f, err
}

// agreed returns the plan to follow: the saved one if it still holds, or a new
// one that the operator agrees to.
func (c *applyCmd) agreed(ctx context.Context, s *session, saved *plan.File) (*engine.Planned, error) {
	if saved != nil {
		return s.engine().SavedHolds(ctx, *saved, c.Parallelism)
	}
	p, err := s.engine().Plan(ctx, c.Target, c.Parallelism)
	if err != nil {
		return nil, err
	}
	err = s.showPlan(p.File)
	if c.AutoApprove {
		return p, nil // whether anybody reads it or not
	}
	if err != nil {
		return nil, err
	}
	asked := time.Now()
	question := "Make this backup?"
	if len(p.Failed) > 0 {
		question = fmt.Sprintf("Make these backups, without %s that cannot be backed up now?", problem.Counted(len(p.Failed), "instance"))
	}
	if err := s.ask(question); err != nil {
		return nil, err
	}
	if time.Since(asked) > askAgain {
		return s.engine().StillHolds(ctx, p.File, c.Parallelism)
	}
	return p, nil
}

// ask asks the operator; anything but yes ends the command. Without a terminal
// nobody could answer.
func (s *session) ask(question string) error {
	if !s.io.interactive() {
		return problem.New("approval needed", "standard input is not a terminal, so bkp cannot ask", "review the plan, then add --auto-approve")
	}
	_, _ = fmt.Fprintf(s.io.Err, "\n%s Only 'yes' will be accepted to approve.\n\nEnter a value: ", s.page.Style.Bold(question))
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(s.io.In).ReadString('\n')
		answers <- strings.TrimSpace(line)
	}()
	select {
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	case a := <-answers:
		if a != "yes" {
			return problem.New("not approved", "nothing was done", "")
		}
		return nil
	}
}
