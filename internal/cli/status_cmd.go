package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bkp/internal/engine"
	"bkp/internal/engine/apply"
	"bkp/internal/ui/text"
	"bkp/lang"
)

type statusCmd struct{}

// Help is shown by bkp status --help.
func (statusCmd) Help() string {
	return `Shows whether a run is in progress, whether one was interrupted and what it left,
whether a guardian still tries to unlock, which instances are locked, when each
was last backed up, and when a backup of it was last proven to restore. Exits with
3 when an instance may have been left locked.

Examples:
  bkp status

` + exitCodes("failed", ExitMayBeLocked, exitCrashed)
}

func (c *statusCmd) Run(ctx context.Context, s *session) error {
	if err := s.loadPart(func(*lang.Config, string) bool { return false }); err != nil {
		return err
	}
	st, unreadable := s.engine().Status(ctx)
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
	return engine.UnreadableJournal(unreadable)
}

func (s *session) showStatus(st engine.Status) error {
	w := text.Visible(s.io.Out)
	if st.Running {
		_, _ = fmt.Fprintln(w, s.out.Style.Bold("a run is in progress"))
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
