package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bkp/internal/engine"
	"bkp/internal/engine/apply"
	"bkp/internal/problem"
	"bkp/internal/ui/text"
	"bkp/lang"
)

type statusCmd struct {
	MaxAge time.Duration `placeholder:"DURATION" help:"Exit with 1 if the last backup of an instance is older, such as 26h, or its last proven restore is older than max_age of its block drill."`
	Notify bool          `help:"With --max-age: also notify of what is overdue."`
}

// Help is shown by bkp status --help.
func (statusCmd) Help() string {
	return `Shows whether a run is in progress and how far it is, whether one was interrupted and what it left,
whether a guardian still tries to unlock, which instances are locked, when each
was last backed up, and when a backup of it was last proven to restore. Exits with
3 when an instance may have been left locked: by a run of this state folder, or by
the account of bkp otherwise.

With --max-age it is a check for monitoring and for cron: a backup or a proof that is
overdue is named, and with --notify those are notified whom the instance names.

Examples:
  bkp status
  bkp status --max-age 26h --notify

` + exitCodes("failed, or something is overdue", ExitMayBeLocked, exitCrashed)
}

func (c *statusCmd) Run(ctx context.Context, s *session) error {
	if c.MaxAge < 0 || c.Notify && c.MaxAge == 0 {
		return problem.Usagef("--max-age must be an age such as 26h, and --notify requires it")
	}
	uses := func(config *lang.Config, address string) bool {
		k, ok := config.Component(address)
		return c.Notify && ok && k.Kind.About().Reports
	}
	if err := s.loadPart(uses); err != nil {
		return err
	}
	st, unreadable := s.engine().Status(ctx)
	if c.MaxAge > 0 {
		st.Overdue = s.engine().OverdueIn(st, c.MaxAge)
	}
	s.engine().CheckClock(s.config.Instances)
	show := s.showStatus
	if s.JSON {
		show = func(st engine.Status) error { return s.stream().Write(st) }
	}
	if err := show(st); err != nil {
		return err
	}
	for _, u := range st.Unfinished {
		if u.MayBeLocked {
			return fmt.Errorf("%w: run %s was interrupted while it held the lock of %s", apply.ErrMayBeLocked, u.Run, u.Instance)
		}
	}
	if err := engine.UnreadableJournal(unreadable); err != nil {
		return err
	}
	if err := st.LockedBySelf(); err != nil {
		return err
	}
	return c.overdue(ctx, s, st.Overdue)
}

// overdue notifies, and is an error if there is anything.
func (c *statusCmd) overdue(ctx context.Context, s *session, all []engine.Overdue) error {
	if len(all) == 0 {
		return nil
	}
	if c.Notify {
		s.engine().NotifyOverdue(ctx, all)
	}
	var texts []string
	for _, o := range all {
		texts = append(texts, o.String())
	}
	return problem.New("overdue", strings.Join(texts, "\n"), "make a backup, or prove that one can be restored:\n\n    bkp apply\n    bkp verify --drill ID")
}

func (s *session) showStatus(st engine.Status) error {
	w := text.Visible(s.io.Out)
	if st.Running {
		_, _ = fmt.Fprintln(w, s.out.Style.Bold("a run is in progress"))
		if st.Run != nil {
			_, _ = fmt.Fprintln(w, "  "+engine.Describe(*st.Run))
		}
	} else {
		_, _ = fmt.Fprintln(w, "no run is in progress")
	}
	for _, u := range st.Unfinished {
		what := "the next bkp apply cleans up what it started"
		if u.MayBeLocked {
			what = s.out.Style.Red("it held the lock")
		}
		_, _ = fmt.Fprintf(w, "run %s was interrupted: %s\n", u.Run, what)
	}
	for _, g := range st.Guardians {
		_, _ = fmt.Fprintf(w, "guardian of run %s (process %d) tries to unlock %s since %s\n", g.Run, g.PID, g.URL, g.Since.Local().Format(time.DateTime))
	}
	var rows [][]string
	for _, i := range st.Instances {
		state, last := "not locked", "never"
		if i.Locked {
			state = "locked"
			if i.Owner != "" {
				state += " by " + i.Owner
			}
		}
		if i.Error != "" {
			state = "unknown: " + i.Error
		}
		if i.LastAt != nil {
			last = fmt.Sprintf("%s, %s ago", i.Last, text.Duration(time.Since(*i.LastAt).Round(time.Second)))
			if slices.Contains(i.Damaged, i.Last) {
				last += ", " + s.out.Style.Red("damaged")
			}
		}
		proven := "never"
		if d := i.LastProven; d != nil {
			proven = fmt.Sprintf("%s, %s ago", d.Backup, text.Duration(time.Since(d.At).Round(time.Second)))
		}
		rows = append(rows, []string{i.Address, state, last, proven})
	}
	for _, i := range st.Instances {
		for _, id := range i.Damaged {
			_, _ = fmt.Fprintf(w, "backup %s is %s: see bkp show %s\n", id, s.out.Style.Red("damaged"), id)
		}
	}
	return s.out.Table([]string{"INSTANCE", "STATE", "LAST BACKUP", "LAST PROVEN RESTORE"}, rows)
}
