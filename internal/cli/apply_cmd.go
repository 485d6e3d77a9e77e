package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bkp/internal/engine"
	"bkp/internal/engine/plan"
	"bkp/internal/problem"
	"bkp/providers"
)

// errDeclined is the error when the operator does not approve.
var errDeclined = problem.New("not approved", "nothing was done", "")

// askAgain is how long an answer may take before the plan is checked again.
const askAgain = time.Minute

type applyCmd struct {
	Plan              string   `arg:"" optional:"" name:"PLAN" help:"A plan saved by bkp plan --out."`
	AutoApprove       bool     `help:"Do not ask for approval."`
	AcceptChangedHome bool     `help:"Accept a home on other file systems than in the last backup, or without most of its files."`
	Target            []string `placeholder:"INSTANCE" help:"Only this instance; may be repeated."`
	Resume            string   `placeholder:"ID" help:"Store a backup that was captured, but could not be stored."`
	lockFlags
	Parallelism int `default:"10" help:"How many instances, and how many steps outside of locks, may run at once."`
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
	var id providers.BackupID
	if c.Resume != "" {
		var err error
		if id, err = s.unfinishedID(c.Resume); err != nil {
			return err
		}
	}
	if c.AcceptChangedHome && (c.Resume != "" || c.Plan != "") {
		return problem.Usagef("--accept-changed-home is for a new plan: give it to bkp plan --out")
	}
	s.acceptChangedHome = c.AcceptChangedHome
	s.lockTimeout = c.LockTimeout
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
	if c.Resume != "" {
		return c.resume(ctx, s, id)
	}
	p, lock, err := c.agreed(ctx, s, saved)
	if err != nil {
		c.notBackedUp(ctx, s, p, err)
		return err
	}
	defer func() { _ = lock.Unlock() }()
	defer s.engine().TidyRecords()
	return s.backUp(ctx, p, c.Parallelism)
}

// notBackedUp notifies of a run that could not begin. An operator who declined, or
// mistyped, knows.
func (c *applyCmd) notBackedUp(ctx context.Context, s *session, p *engine.Planned, err error) {
	switch {
	case errors.Is(err, errDeclined), errors.Is(err, problem.ErrUsage):
	case p != nil && len(p.Failed) > 0:
		s.engine().LeftOut(ctx, p)
	default:
		s.engine().NotBackedUp(ctx, c.Target, err)
	}
}

// begin takes the state folder, and cleans up after earlier runs.
func (c *applyCmd) begin(ctx context.Context, s *session) (*engine.RunLock, error) {
	lock, err := s.engine().Lock(ctx, "apply")
	if err != nil {
		return nil, s.engine().StillLocked(err)
	}
	if _, err := s.engine().Recover(ctx); err != nil {
		_ = lock.Unlock()
		return nil, err
	}
	s.warnOf(s.engine().CleanRestore(ctx))
	return lock, nil
}

func (c *applyCmd) resume(ctx context.Context, s *session, id providers.BackupID) error {
	lock, err := c.begin(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	return s.engine().Resume(ctx, id)
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

// agreed returns the plan to follow, and the state folder: the saved plan if it still
// holds, or a new one that the operator agrees to.
func (c *applyCmd) agreed(ctx context.Context, s *session, saved *plan.File) (p *engine.Planned, lock *engine.RunLock, err error) {
	if lock, err = c.begin(ctx, s); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil && lock != nil {
			_ = lock.Unlock()
		}
	}()
	s.engine().WarnOfUnfinished()
	if saved != nil {
		p, err = s.engine().SavedHolds(ctx, *saved, c.Parallelism)
		return p, lock, err
	}
	if p, err = s.engine().Plan(ctx, c.Target, c.Parallelism); err != nil {
		return p, lock, err
	}
	err = s.showPlan(p.File)
	if c.AutoApprove {
		return p, lock, nil // whether anybody reads it or not
	}
	if err != nil {
		return nil, lock, err
	}
	return c.approved(ctx, s, p, lock)
}

// approved asks. Meanwhile others may have the state folder: a question that waits
// overnight must not keep the nightly run from its backup. What they did, and much
// time, make the plan be checked again.
func (c *applyCmd) approved(ctx context.Context, s *session, p *engine.Planned, lock *engine.RunLock) (*engine.Planned, *engine.RunLock, error) {
	asked, before := time.Now(), s.engine().Records()
	if err := lock.Unlock(); err != nil {
		return nil, nil, err
	}
	question := "Make this backup?"
	if len(p.Failed) > 0 {
		question = fmt.Sprintf("Make these backups, without %s that cannot be backed up now?", problem.Counted(len(p.Failed), "instance"))
	}
	if err := s.ask(question); err != nil {
		return nil, nil, err
	}
	lock, err := c.begin(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	if time.Since(asked) > askAgain || s.engine().Records() != before {
		p, err = s.engine().StillHolds(ctx, p.File, c.Parallelism)
	}
	return p, lock, err
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
			return errDeclined
		}
		return nil
	}
}
