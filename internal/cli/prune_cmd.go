package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bkp/internal/engine"
	"bkp/internal/problem"
	"bkp/internal/records/retention"
	"bkp/internal/ui/text"
)

type pruneCmd struct {
	lockFlags
	Instance    []string `placeholder:"INSTANCE" help:"Instances to prune, all by default."`
	Archive     string   `placeholder:"ADDRESS" help:"Prune this archive alone."`
	MaxDelete   *int     `placeholder:"N" help:"Instead of max_delete of the retention: how many backups may be removed from an archive; 0 is any number."`
	Preview     string   `placeholder:"PERIOD" help:"Remove nothing: show which backups there will be after this time, such as 400d or 1y."`
	AutoApprove bool     `help:"Do not ask for approval."`
}

// Help is shown by bkp prune --help.
func (pruneCmd) Help() string {
	return `Shows which backups the retention of each archive keeps, with the rule that
keeps each and until when it will, and which it removes. Then it asks, and removes
them. Every bkp apply does the same at its end; this is for a rule that changed,
and for a schedule of its own. Archives whose backups share data, such as those of
restic, get their space back here and not in a run: it may take hours, and nothing
can be stored there meanwhile.

The newest backup, the last one that was proven to restore and pinned ones
(bkp pin) are never removed. --preview takes it that a backup follows as often as
the last ones did.

Examples:
  bkp prune
  bkp prune --preview 400d
  bkp prune --instance prod --auto-approve

` + exitCodes("", ExitRunning, exitCrashed)
}

func (c *pruneCmd) Run(ctx context.Context, s *session) error {
	r, err := c.request()
	if err != nil {
		return err
	}
	if err := s.loadArchives(); err != nil {
		return err
	}
	s.lockTimeout = c.LockTimeout
	eng := s.engine()
	lock, err := eng.Lock(ctx, "prune")
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	plan, err := eng.PlanPrune(ctx, r)
	if err != nil {
		if c.AutoApprove && r.Preview == 0 { // nobody watches
			eng.NotPruned(ctx, r.Instances, err)
		}
		return err
	}
	count := 0
	for _, p := range plan {
		if err := c.show(s, p); err != nil {
			return err
		}
		count += len(p.Removes())
	}
	switch {
	case c.Preview != "":
		return nil
	case count == 0:
		s.say("no backup to remove")
		return compact(ctx, s, eng, plan)
	}
	if !c.AutoApprove {
		if err := s.ask(fmt.Sprintf("Remove %s?", problem.Counted(count, "backup"))); err != nil {
			return err
		}
	}
	gone, err := eng.Prune(ctx, plan)
	s.say("%s removed", problem.Counted(gone, "backup"))
	return problem.Join(err, compact(ctx, s, eng, plan))
}

// compact gives back the space of what was removed, now or by earlier runs, where that
// is a step of its own.
func compact(ctx context.Context, s *session, eng *engine.Engine, plan []engine.Pruning) error {
	done, err := eng.Compact(ctx, plan)
	for _, address := range done {
		s.say("%s: data that no backup needs was removed", address)
	}
	return err
}

func (c *pruneCmd) request() (engine.PruneRequest, error) {
	r := engine.PruneRequest{Instances: c.Instance, Archive: c.Archive, MaxDelete: c.MaxDelete}
	if c.MaxDelete != nil && *c.MaxDelete < 0 {
		return r, problem.Usagef("--max-delete %d is no number of backups", *c.MaxDelete)
	}
	span, err := retention.ParsePeriod(c.Preview)
	if err != nil || c.Preview != "" && span.Zero() {
		return r, problem.Usagef("--preview %q: give a period such as 400d or 1y6m", c.Preview)
	}
	now := time.Now()
	r.Preview = now.Sub(span.Before(now))
	return r, nil
}

// show prints what becomes of the backups of an instance in an archive.
func (c *pruneCmd) show(s *session, p engine.Pruning) error {
	decisions := p.Decisions
	if c.Preview != "" {
		decisions = p.Ahead.Left
	}
	if s.JSON {
		return s.stream().Write(pruneObject(p, decisions, c.Preview != ""))
	}
	w := text.Visible(s.io.Out)
	_, _ = fmt.Fprintf(w, "%s, %s: keep %s (%s)\n", s.out.Style.Bold(p.Instance), p.Archive, p.Rules, p.Retention)
	heads, rows := []string{"ID", "CREATED", "KEPT BY", "KEPT UNTIL"}, [][]string{}
	if c.Preview != "" {
		_, _ = fmt.Fprintf(w, "after %s, if a backup is made every %s: %s, %d at most\n", c.Preview, text.Duration(p.Every), problem.Counted(len(decisions), "backup"), p.Ahead.Most)
		heads = heads[:3]
	}
	for _, d := range decisions {
		row := []string{d.ID, d.Time.Local().Format("2006-01-02 15:04"), reasonsOf(s, d)}
		if c.Preview == "" {
			row = append(row, keptUntil(d, p.Ahead))
		}
		rows = append(rows, row)
	}
	if err := s.out.Table(heads, rows); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(w)
	return nil
}

func reasonsOf(s *session, d retention.Decision) string {
	out := strings.Join(d.Reasons, ", ")
	if d.Small != "" {
		out += "; does not count: " + d.Small
	}
	if !d.Keep {
		out = s.out.Style.Red("removed") + ": " + out
	}
	return out
}

// keptUntil is when a backup will be removed if others follow.
func keptUntil(d retention.Decision, ahead retention.Ahead) string {
	if !d.Keep {
		return ""
	}
	until, ok := ahead.Until[d.ID]
	if !ok {
		return "-"
	}
	return until.Local().Format(time.DateOnly)
}

// pruned is what --json prints of a backup.
type pruned struct {
	ID      string     `json:"id"`
	Keep    bool       `json:"keep"`
	Reasons []string   `json:"reasons"`
	Small   string     `json:"does_not_count,omitempty"`
	Until   *time.Time `json:"kept_until,omitempty"`
}

// retentionObject is what --json prints of an instance's backups in an archive.
type retentionObject struct {
	Event   string `json:"event"`
	Preview bool   `json:"preview"`
	engine.Pruning
	Backups []pruned `json:"backups"`
}

func pruneObject(p engine.Pruning, decisions []retention.Decision, preview bool) retentionObject {
	list := []pruned{}
	for _, d := range decisions {
		x := pruned{ID: d.ID, Keep: d.Keep, Reasons: d.Reasons, Small: d.Small}
		if until, ok := p.Ahead.Until[d.ID]; ok && d.Keep && !preview {
			x.Until = &until
		}
		list = append(list, x)
	}
	return retentionObject{"retention", preview, p, list}
}
