package text

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bkp/internal/engine/plan"
)

// Page is where and how something is drawn.
type Page struct {
	Out   io.Writer
	Style Style
	// Width of a line in columns; 0 does not wrap.
	Width int
}

func (p Page) line(format string, args ...any) {
	_, _ = io.WriteString(p.Out, visible(fmt.Sprintf(format+"\n", args...)))
}

// Plan draws the steps in order, with the boundary of the lock.
func (p Page) Plan(pl plan.Plan) {
	about := strings.TrimSpace(pl.URL + " " + versionText(pl.Version))
	switch {
	case pl.Restore != nil:
		about = captured(pl.Restore.Captured)
	case pl.Copy != nil:
		about = captured(pl.Copy.Captured)
	}
	p.heading(pl.Title(), about)
	p.line("")
	width := addressWidth(pl)
	if len(pl.Before) > 0 {
		p.line("  %s", p.Style.Faint("while users work"))
		p.steps("    ", pl.Before, width)
	}
	if l := pl.Locked; l != nil {
		p.boundary("┌─ ", "│  ", fmt.Sprintf("lock: users wait from here, for at most %s, the drain for at most %s", l.Budget.Short(), l.DrainTimeout.Short()))
		p.steps("  "+p.Style.Red("│")+" ", l.Nodes, width)
		p.boundary("└─ ", "   ", "complete and unlock: users are back, even after an error")
	}
	if l := pl.Live; l != nil {
		p.line("  %s", p.Style.Faint(fmt.Sprintf("all at once, at most %s apart, while users work: nobody is locked out", l.MaxSkew.Short())))
		p.steps("    ", l.Nodes, width)
	}
	if len(pl.After) > 0 {
		if pl.Restore == nil && pl.Copy == nil {
			p.line("  %s", p.Style.Faint(after(pl)))
		}
		p.steps("    ", pl.After, width)
	}
	p.line("")
	for _, r := range pl.References() {
		p.description("  ", r, p.Width-2)
	}
	if len(pl.Refers) > 0 {
		p.line("")
	}
	if pl.Prediction != nil && pl.Locked != nil {
		p.description("  ", "expected lock window: "+pl.Prediction.String(), p.Width-2)
		p.line("")
	}
	if pl.LastProven != nil {
		p.description("  ", "last proven restore: "+pl.LastProven.String(), p.Width-2)
		p.line("")
	}
	for _, a := range pl.Absent {
		p.description("  ", a, p.Width-2)
		p.line("")
	}
	p.notChecked(pl.NotChecked)
}

func captured(at time.Time) string {
	return "(captured " + at.Local().Format("2006-01-02 15:04:05") + ")"
}

// after is the heading of what follows the capture.
func after(pl plan.Plan) string {
	if pl.Live != nil {
		return "afterwards"
	}
	return "while users work again"
}

// Plans draws the plans of several instances. Of what was not checked it says of each
// what differs from the plans before it; with full, all.
func (p Page) Plans(list []plan.Plan, full bool) {
	seen := map[string]string{}
	for _, pl := range list {
		key := uncheckedKey(pl.NotChecked)
		first, again := seen[key]
		if full || key == "" || !again {
			seen[key] = pl.Title()
			p.Plan(pl)
			continue
		}
		pl.NotChecked = nil
		p.Plan(pl)
		p.description("  ", p.Style.Yellow("not checked")+": the same as of "+first+"; --full shows it", p.Width-2)
		p.line("")
	}
}

// uncheckedKey is equal for plans that lack the same checks. Blocks of for_each
// differ by their key alone.
func uncheckedKey(list []plan.NotChecked) string {
	var out []string
	for _, n := range list {
		block, _, _ := strings.Cut(n.Address, "[")
		out = append(out, block+": "+n.What)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// notChecked lists what an offline plan leaves open.
func (p Page) notChecked(list []plan.NotChecked) {
	if len(list) == 0 {
		return
	}
	p.line("  %s", p.Style.Yellow("not checked, because the plan was made offline"))
	for _, n := range list {
		p.line("    %s", n.Address)
		p.description("        ", n.What, p.Width-8)
	}
	p.line("")
}

// heading puts the second part below the first where both do not fit.
func (p Page) heading(first, second string) {
	gap := " "
	if p.Width > 0 && runes(first)+1+runes(second) > p.Width {
		gap = "\n  "
	}
	p.line("%s", strings.TrimRight(p.Style.Bold(first)+gap+p.Style.Faint(second), " \n"))
}

// boundary draws an edge of the lock; what does not fit goes on below it,
// behind the margin more.
func (p Page) boundary(edge, more, text string) {
	for i, l := range strings.Split(wrap(text, p.Width-2-runes(edge), 0), "\n") {
		if i > 0 {
			edge = more
		}
		p.line("  %s", p.Style.Red(edge+l))
	}
}

func versionText(v string) string {
	if v == "" {
		return ""
	}
	return "(Bitbucket " + v + ")"
}

func addressWidth(pl plan.Plan) int {
	width := 0
	for _, n := range pl.Nodes() {
		width = max(width, len(n.Address))
	}
	return width
}

func (p Page) steps(margin string, nodes []plan.Node, width int) {
	for _, n := range nodes {
		head := fmt.Sprintf("%-*s  %-8s", width, n.Address, n.Phase)
		// A narrow terminal gets the description on lines of its own.
		if p.Width > 0 && p.Width < width+40 {
			p.line("%s%s", margin, strings.TrimRight(head, " "))
			p.description(margin+"    ", n.Where(), p.Width-8)
			continue
		}
		lines := strings.Split(wrap(n.Where(), p.Width-4-width-12, 0), "\n")
		p.line("%s%s  %s", margin, head, lines[0])
		for _, l := range lines[1:] {
			p.line("%s%*s  %s", margin, width+10, "", l)
		}
	}
}

func (p Page) description(margin, does string, width int) {
	for _, l := range strings.Split(wrap(does, width, 0), "\n") {
		p.line("%s%s", margin, l)
	}
}

// PlanSummary counts the steps, in the way of Terraform.
func (p Page) PlanSummary(f plan.File) {
	steps, locked := 0, 0
	for _, pl := range f.Plans {
		steps += len(pl.Nodes())
		if pl.Locked != nil {
			locked += len(pl.Locked.Nodes)
		}
	}
	of := ""
	if len(f.Plans) > 1 {
		of = fmt.Sprintf(" for %d instances", len(f.Plans))
	}
	offline := ""
	if f.Offline {
		offline = "; made offline, so it cannot be applied"
	}
	summary := fmt.Sprintf("%d steps%s, %d of them under the lock%s", steps, of, locked, offline)
	if locked == 0 {
		summary = fmt.Sprintf("%d steps%s; nobody is locked out%s", steps, of, offline)
	}
	if len(f.Plans) == 1 && f.Plans[0].Copy != nil {
		summary = fmt.Sprintf("%d steps; Bitbucket is not touched", steps)
	}
	if len(f.Plans) == 1 && f.Plans[0].Restore != nil {
		summary = "Bitbucket must be stopped"
		if f.Plans[0].Restore.Elsewhere {
			summary = "Bitbucket may keep running"
		}
		unit := "steps"
		if steps == 1 {
			unit = "step"
		}
		summary = fmt.Sprintf("%d %s; %s", steps, unit, summary)
	}
	p.line("%s %s", p.Style.Bold("Plan:"), wrap(summary, p.Width-len("Plan: "), 0))
}
