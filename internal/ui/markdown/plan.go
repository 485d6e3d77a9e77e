package markdown

import (
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"bkp/internal/engine/plan"
	"bkp/internal/ui/graph"
)

const (
	// folded is the length from which a list is folded away.
	folded = 10
	// foldedPlans is from how many instances on each one is folded.
	foldedPlans = 4
)

// Finding is an error or a warning.
type Finding struct {
	Severity string
	// Where it belongs to: a place in a file, or an address.
	Where           string
	Summary, Detail string
}

// Findings turns diagnostics into findings.
func Findings(diags hcl.Diagnostics) []Finding {
	var out []Finding
	for _, d := range diags {
		f := Finding{Severity: "error", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			f.Severity = "warning"
		}
		if d.Subject != nil {
			f.Where = fmt.Sprintf("%s:%d", d.Subject.Filename, d.Subject.Start.Line)
		}
		out = append(out, f)
	}
	return out
}

// Warnings turns the warnings that a saved plan holds into findings.
func Warnings(plans []plan.Plan) []Finding {
	var out []Finding
	for _, p := range plans {
		for _, w := range p.Warnings {
			out = append(out, Finding{Severity: "warning", Where: w.Address, Summary: w.Summary, Detail: strings.TrimSpace(w.Detail + "\n" + w.Remedy)})
		}
	}
	return out
}

// Plan writes the findings and the steps of all instances.
func Plan(out io.Writer, f plan.File, findings []Finding) error {
	var d document
	d.headline(f, findings)
	d.findings(findings)
	for _, p := range f.Plans {
		d.plan(p, len(f.Plans) >= foldedPlans)
	}
	_, err := io.WriteString(out, d.b.String())
	return err
}

type document struct{ b strings.Builder }

func (d *document) line(format string, args ...any) { fmt.Fprintf(&d.b, format+"\n", args...) }

func (d *document) headline(f plan.File, findings []Finding) {
	title := "bkp plan"
	if restores(f) {
		title = "bkp restore"
	}
	d.line("## %s\n", title)
	failed := 0
	for _, x := range findings {
		if x.Severity == "error" {
			failed++
		}
	}
	switch {
	case failed > 0:
		d.line("**This plan cannot be applied: %s.**\n", counted(failed, "error"))
	case f.Offline:
		d.line("**Made offline:** nothing was checked, and the plan cannot be applied.\n")
	}
	if len(f.Plans) == 0 {
		return
	}
	steps, locked := 0, 0
	for _, p := range f.Plans {
		s, l := count(p)
		steps, locked = steps+s, locked+l
	}
	of := ""
	if len(f.Plans) > 1 {
		of = " for " + counted(len(f.Plans), "instance")
	}
	if restores(f) && f.Plans[0].Restore.Elsewhere {
		d.line("%s; Bitbucket may keep running.\n", counted(steps, "step"))
		return
	}
	if restores(f) {
		d.line("%s; Bitbucket must be stopped.\n", counted(steps, "step"))
		return
	}
	if locked == 0 {
		d.line("%s%s; nobody is locked out.\n", counted(steps, "step"), of)
		return
	}
	d.line("%s%s, %d of them under the lock.\n", counted(steps, "step"), of, locked)
}

func restores(f plan.File) bool { return len(f.Plans) == 1 && f.Plans[0].Restore != nil }

func count(p plan.Plan) (steps, locked int) {
	if p.Locked != nil {
		locked = len(p.Locked.Nodes)
	}
	return len(p.Nodes()), locked
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func (d *document) findings(all []Finding) {
	for _, severity := range []string{"error", "warning"} {
		var some []Finding
		for _, f := range all {
			if f.Severity == severity {
				some = append(some, f)
			}
		}
		if len(some) == 0 {
			continue
		}
		d.fold(len(some) >= folded, counted(len(some), severity), func() {
			for _, f := range some {
				d.finding(f)
				d.line("")
			}
		})
	}
}

func (d *document) finding(f Finding) {
	where := ""
	if f.Where != "" {
		where = " " + code(f.Where, false)
	}
	d.line("- **%s: %s**%s", f.Severity, escape(f.Summary), where)
	var commands []string
	flush := func() {
		if len(commands) > 0 {
			d.b.WriteString("\n" + block(commands, "  "))
			commands = nil
		}
	}
	for l := range strings.SplitSeq(f.Detail, "\n") {
		switch {
		case strings.HasPrefix(l, "    "):
			commands = append(commands, oneLine(l))
		case strings.TrimSpace(l) != "":
			flush()
			d.line("\n  %s", escape(l))
		}
	}
	flush()
}

func (d *document) plan(p plan.Plan, fold bool) {
	about := code(p.URL, false)
	if p.Version != "" {
		about += " (Bitbucket " + escape(p.Version) + ")"
	}
	d.line("### %s\n", code(p.Title(), false))
	if about != "" {
		d.line("%s\n", about)
	}
	if r := p.Restore; r != nil {
		d.line("Captured %s.\n", r.Captured.UTC().Format("2006-01-02 15:04:05 MST"))
		d.table("Steps", p.After)
		return
	}
	steps, locked := count(p)
	head := fmt.Sprintf("%s, %d of them under the lock", counted(steps, "step"), locked)
	if p.Live != nil {
		head = counted(steps, "step") + "; nobody is locked out"
	}
	d.fold(fold, head, func() {
		d.table("While users work", p.Before)
		if l := p.Locked; l != nil {
			d.line("---\n")
			d.table(fmt.Sprintf("Lock: users wait from here, for at most %s, the drain for at most %s", l.Budget.Short(), l.DrainTimeout.Short()), l.Nodes)
			d.line("**Complete and unlock: users are back, even after an error**\n")
			d.line("---\n")
		}
		if l := p.Live; l != nil {
			d.table(fmt.Sprintf("All at once, at most %s apart, while users work: nobody is locked out", l.MaxSkew.Short()), l.Nodes)
			d.table("Afterwards", p.After)
			return
		}
		d.table("While users work again", p.After)
	})
	d.graph(p)
	for _, r := range p.References() {
		d.line("- %s", escape(r))
	}
	if len(p.Refers) > 0 {
		d.line("")
	}
	if p.Prediction != nil && p.Locked != nil {
		d.line("Expected lock window: %s.\n", escape(p.Prediction.String()))
	}
	if p.LastProven != nil {
		d.line("Last proven restore: %s.\n", escape(p.LastProven.String()))
	}
	for _, a := range p.Absent {
		d.line("Not in the backup: %s.\n", escape(a))
	}
	d.notChecked(p.NotChecked)
}

// graph draws the steps, where pages can do that; others show its source. It is folded
// away: the tables say the same in order.
func (d *document) graph(p plan.Plan) {
	d.fold(true, "graph", func() {
		d.line("```mermaid")
		_ = graph.Mermaid(&d.b, plan.File{Plans: []plan.Plan{p}}) // a builder takes everything
		d.line("```\n")
	})
}

func (d *document) table(title string, nodes []plan.Node) {
	if len(nodes) == 0 {
		return
	}
	d.line("**%s**\n", escape(title))
	d.line("| component | step | what it does |")
	d.line("|---|---|---|")
	for _, n := range nodes {
		d.line("| %s | %s | %s |", code(n.Address, true), escape(string(n.Phase)), escape(n.Where()))
	}
	d.line("")
}

func (d *document) notChecked(list []plan.NotChecked) {
	if len(list) == 0 {
		return
	}
	d.fold(len(list) >= folded, "not checked, because the plan was made offline", func() {
		d.line("Not checked, because the plan was made offline:\n")
		for _, n := range list {
			d.line("- %s: %s", code(n.Address, false), escape(n.What))
		}
		d.line("")
	})
}

// fold hides what body writes behind a summary, where pages can do that;
// others show the tags and the same text.
func (d *document) fold(fold bool, summary string, body func()) {
	if fold {
		d.line("<details><summary>%s</summary>\n", escape(summary))
	}
	body()
	if fold {
		d.line("</details>\n")
	}
}
