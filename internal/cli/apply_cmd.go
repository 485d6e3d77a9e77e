package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"bkp/internal/apply"
	"bkp/internal/catalog"
	"bkp/internal/event"
	"bkp/internal/journal"
	"bkp/internal/plan"
	"bkp/internal/planner"
	"bkp/internal/problem"
	"bkp/internal/ui/text"
	"bkp/providers"
)

// askAgain is how long an answer may take before the plan is checked again.
const askAgain = time.Minute

type applyCmd struct {
	Plan              string   `arg:"" optional:"" name:"PLAN" help:"A plan saved by bkp plan --out."`
	AutoApprove       bool     `help:"Do not ask."`
	AcceptChangedHome bool     `help:"Accept a home on other file systems than in the last backup, or without most of its files."`
	Target            []string `placeholder:"INSTANCE" help:"Only this instance; may be repeated."`
	Resume            string   `placeholder:"ID" help:"Store a backup that was captured, but could not be stored."`
	Parallelism       int      `default:"10" help:"How many steps outside the lock may run at once."`
}

// Help is shown by bkp apply --help.
func (applyCmd) Help() string {
	return `Makes a plan, shows it, asks, and does it; or does what a saved plan says, as
long as the configuration and what was seen are still the same.

Whatever happens, the instance is unlocked. The first Ctrl-C cancels, unlocks
and cleans up; the second still unlocks, then leaves.

Examples:
  bkp apply
  bkp apply --auto-approve            (cron)
  bkp apply tonight.bkpplan
  bkp apply --resume prod-20261122T214431Z

` + exitCodes
}

func (c *applyCmd) Run(ctx context.Context, s *session) error {
	if c.Resume != "" && (c.Plan != "" || len(c.Target) > 0) {
		return usagef("--resume stands alone")
	}
	if c.AcceptChangedHome && (c.Resume != "" || c.Plan != "") {
		return usagef("--accept-changed-home is for a new plan: give it to bkp plan --out")
	}
	s.acceptChangedHome = c.AcceptChangedHome
	saved, err := c.saved()
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
	lock, err := s.runLock()
	if err != nil {
		return s.stillLocked(err)
	}
	defer func() { _ = lock.Unlock() }()
	if _, err := s.putRight(ctx); err != nil {
		return err
	}
	s.doubtful(s.cleanRestore())
	if c.Resume != "" {
		return s.resume(ctx, c.Resume)
	}
	p, err := c.agreed(ctx, s, saved)
	if err != nil {
		return err
	}
	defer s.tidyRecords()
	return s.backUpAll(ctx, p, c.Parallelism)
}

// backUpAll follows the plans one after the other. What goes wrong with one
// instance, at plan time or in its run, does not keep the others from their
// backups; it is said at the end.
func (s *session) backUpAll(ctx context.Context, p *planned, parallelism int) error {
	var failed error
	several, made := len(p.file.Plans)+len(p.failed) > 1, 0
	for _, pl := range p.file.Plans {
		if ctx.Err() != nil {
			failed = asOne(failed, context.Cause(ctx))
			break
		}
		err := s.backUp(ctx, p, pl, parallelism)
		if err == nil {
			made++
		} else if several {
			err = fmt.Errorf("%s: %w", pl.Address, err)
		}
		failed = asOne(failed, err)
	}
	if several {
		s.say("backed up: %d of %s", made, counted(len(p.file.Plans)+len(p.failed), "instance"))
	}
	return asOne(failed, p.notBackedUp())
}

// saved reads the saved plan, if one is to be followed. It comes before all
// else: a plan that cannot be followed has no effect at all.
func (c *applyCmd) saved() (*plan.File, error) {
	if c.Plan == "" {
		return nil, nil
	}
	f, err := readPlan(c.Plan)
	if err == nil && f.Offline {
		err = problem.New("the plan was made offline", "nothing that the backup needs was checked for "+c.Plan,
			"make a plan on the machine that makes the backup, and read it:\n\n    bkp plan --out "+c.Plan)
	}
	return &f, err
}

// agreed returns the plan to follow: the saved one if it still holds, or a new
// one that the operator agrees to.
func (c *applyCmd) agreed(ctx context.Context, s *session, saved *plan.File) (*planned, error) {
	if saved != nil {
		return s.savedHolds(ctx, *saved, c.Parallelism)
	}
	p, err := s.plan(ctx, c.Target, c.Parallelism)
	if err != nil {
		return nil, err
	}
	err = s.showPlan(p.file)
	if c.AutoApprove {
		return p, nil // whether anybody reads it or not
	}
	if err != nil {
		return nil, err
	}
	asked := time.Now()
	question := "Make this backup?"
	if len(p.failed) > 0 {
		question = fmt.Sprintf("Make these backups, without %s that cannot be backed up now?", counted(len(p.failed), "instance"))
	}
	if err := s.ask(question); err != nil {
		return nil, err
	}
	if time.Since(asked) > askAgain {
		return s.stillHolds(ctx, p.file, c.Parallelism)
	}
	return p, nil
}

// ask asks the operator; anything but yes ends the command. Without a terminal
// nobody could answer.
func (s *session) ask(question string) error {
	if !s.io.interactive() {
		return problem.New("nobody can be asked", "standard input is no terminal", "read the plan, then add --auto-approve")
	}
	_, _ = fmt.Fprintf(s.io.Err, "\n%s only 'yes' is taken: ", s.page.Style.Bold(question))
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
			return problem.New("not agreed", "nothing was done", "")
		}
		return nil
	}
}

// backUp carries out one instance's plan.
func (s *session) backUp(ctx context.Context, p *planned, pl plan.Plan, parallelism int) error {
	inst, _ := s.config.Instance(pl.Instance)
	begun, err := s.newRun(ctx, inst)
	if err != nil {
		return err
	}
	defer func() { _ = begun.journal.Close() }()
	run, done, err := s.newApply(inst.Name, begun.id, pl, begun.journal, parallelism)
	if err != nil {
		return err // the next run ends the record, and gives the id back
	}
	defer done()
	run.Reserved = begun.reserved
	result, err := run.Do(ctx)
	if p.saved && result.Manifest.ID != "" {
		s.doubtful(s.remember(p.file, pl, begun.id))
	}
	return s.ended(ctx, run, result, err)
}

func (s *session) newApply(instance string, id providers.BackupID, pl plan.Plan, j *journal.Journal, parallelism int) (*apply.Run, func(), error) {
	inst, _ := s.config.Instance(instance)
	log, err := s.logFile(id)
	if err != nil {
		return nil, nil, err
	}
	view, closeView := s.sink()
	sink := event.NewQueue(view)
	o, err := s.openWith(inst, sink, parallelism, log)
	done := func() {
		sink.Close()
		closeView()
		if o != nil {
			o.close()
		}
		_ = log.Close()
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return &apply.Run{
		Asked: o.instance.Addresses()[0],
		ID:    id, Tool: s.version, Plan: pl, Instance: o.client, Strategies: o.strategies, Archives: o.archivers,
		Guard:   s.guard(inst, id, log.Name()),
		Journal: j, Catalog: s.catalog(), Sink: tee{sink, log}, Parallelism: parallelism, Cleanup: s.io.Hurry,
	}, done, nil
}

// ended prints the summary of a run, which always names the lock window.
func (s *session) ended(ctx context.Context, run *apply.Run, result apply.Result, err error) error {
	window := result.Window
	message := "no backup was made; the instance was not locked"
	switch {
	case errors.Is(err, apply.ErrMayBeLocked):
		message = "no backup was made; the instance may still be locked"
	case window.Total > 0:
		message = fmt.Sprintf("no backup was made; lock window %s", text.Duration(window.Total))
	}
	if err == nil || result.Manifest.ID != "" {
		message = fmt.Sprintf("backup %s: lock window %s", run.ID, text.Duration(window.Total))
		if window.Drain > 0 {
			message += fmt.Sprintf(" (lock %s, drain %s, drained to complete %s, complete %s, unlock %s)",
				text.Duration(window.Lock), text.Duration(window.Drain), text.Duration(window.DrainedToComplete),
				text.Duration(window.Complete), text.Duration(window.Unlock))
		}
	}
	details := map[string]any{
		"lock_window_ns": window.Total, "window_ns": window.Parts(),
		"removed": append([]string{}, result.Removed...), "stored": append([]providers.Stored{}, result.Manifest.Stored...), // never null
	}
	run.Sink.Emit(event.Event{Time: time.Now(), Kind: event.Summary, Backup: string(run.ID), Message: message, Details: details})
	if err != nil {
		return s.explain(run.ID, interruptedBy(ctx, err))
	}
	for _, st := range result.Manifest.Stored {
		run.Sink.Emit(event.Event{Time: time.Now(), Kind: event.Note, Backup: string(run.ID), Message: fmt.Sprintf("stored: %s (%s)", st.Location, text.Bytes(st.Bytes))})
	}
	return nil
}

// explain adds the way on to a backup that was captured but not stored.
func (s *session) explain(id providers.BackupID, err error) error {
	if !errors.Is(err, apply.ErrAfterCapture) {
		return err
	}
	var damage *providers.DamageError
	if errors.As(err, &damage) {
		return err // it says what there is to do
	}
	e, cerr := s.catalog().Get(id)
	switch {
	case cerr != nil:
		return problem.Wrap(err, "no backup was made", "mend the cause, then run again; nothing of this run is left:\n\n    bkp apply")
	case e.Status != catalog.Captured:
		return err
	}
	p := problem.Wrap(err, "the backup is not stored yet", "mend the cause, then go on from there; nobody is locked out again:\n\n    bkp apply --resume "+string(id))
	return p
}

// resume stores a captured backup.
func (s *session) resume(ctx context.Context, arg string) error {
	id, err := providers.ParseBackupID(arg)
	if err != nil {
		return usagef("%s", err)
	}
	e, err := s.catalog().Get(id)
	if err != nil {
		return err
	}
	if e.Status != catalog.Captured {
		return problem.New("nothing to resume", fmt.Sprintf("backup %s is %s", id, e.Status), "make a new one:\n\n    bkp apply")
	}
	pl, err := s.planStore(ctx, e.Manifest)
	if err != nil {
		return err
	}
	j, err := journal.Open(s.journalDir(), id)
	if err != nil {
		return err
	}
	defer func() { _ = j.Close() }()
	run, done, err := s.newApply(e.Manifest.Instance, id, pl, j, 1)
	if err != nil {
		return err
	}
	defer done()
	result, err := run.Resume(ctx, e.Manifest)
	return s.ended(ctx, run, result, err)
}

// planStore lays out the storing of what was captured. The instance is not
// looked at: it may be down or locked, and nothing is asked of it.
func (s *session) planStore(ctx context.Context, m providers.Manifest) (plan.Plan, error) {
	instances, err := s.instances([]string{m.Instance})
	if err != nil {
		return plan.Plan{}, err
	}
	o, err := s.open(instances[0], event.Discard{}, 1)
	if err != nil {
		return plan.Plan{}, err
	}
	defer o.close()
	result, err := planner.Store(ctx, s.request(o, records{}), m)
	if err != nil {
		return plan.Plan{}, interruptedBy(ctx, err)
	}
	return result.Plan, s.findings(result.Findings)
}

// tee writes a run's events to its log as well.
type tee struct {
	event.Sink
	log io.Writer
}

// Emit implements event.Sink.
func (t tee) Emit(e event.Event) {
	t.Sink.Emit(e)
	if e.Kind != event.StepProgress {
		_, _ = fmt.Fprintf(t.log, "%s %s %s %s %s\n", e.Time.UTC().Format(time.RFC3339Nano), e.Kind, e.Node, e.Message, e.Error)
	}
}
