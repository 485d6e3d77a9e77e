package graph

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"bkp/internal/engine/plan"
)

// Mermaid writes the plans as a flowchart. It stands in Markdown in a block
// that is fenced as mermaid.
func Mermaid(out io.Writer, f plan.File) error {
	var b strings.Builder
	b.WriteString("flowchart TB\n")
	for i, p := range f.Plans {
		mermaidPlan(&b, draw(p), i)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// mermaidPlan numbers everything: an id of Mermaid holds letters and digits,
// and an address may hold anything.
func mermaidPlan(b *strings.Builder, d drawing, number int) {
	ids := map[plan.NodeID]string{}
	write := func(indent string, list []node) {
		for _, n := range list {
			ids[n.id] = fmt.Sprintf("i%dn%d", number, len(ids))
			fmt.Fprintf(b, "%s%s[%s]\n", indent, ids[n.id], label(n.lines...))
		}
	}
	fmt.Fprintf(b, "  subgraph i%d[%s]\n", number, label(d.title))
	write("    ", d.before)
	if len(d.locked) > 0 {
		fmt.Fprintf(b, "    subgraph i%dlock[%s]\n", number, label(lockLabel))
		write("      ", d.locked)
		b.WriteString("    end\n")
	}
	write("    ", d.after)
	write("    ", d.used)
	b.WriteString("  end\n")
	for _, e := range d.edges {
		fmt.Fprintf(b, "  %s --> %s\n", ids[e.from], ids[e.to])
	}
	for _, e := range d.uses {
		fmt.Fprintf(b, "  %s -.-> %s\n", ids[e.from], ids[e.to])
	}
	if len(d.locked) > 0 {
		fmt.Fprintf(b, "  style i%dlock stroke:#c00,stroke-width:2px\n", number)
	}
}

// label writes lines as a quoted label. What is neither letter nor digit nor
// plain punctuation is written by its number: Mermaid takes such codes for the
// character itself, and for nothing else.
func label(lines ...string) string {
	var out []string
	for _, l := range lines {
		var b strings.Builder
		for _, r := range printable(l) {
			if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" .,:/()-_", r) {
				b.WriteRune(r)
			} else {
				fmt.Fprintf(&b, "#%d;", r)
			}
		}
		out = append(out, b.String())
	}
	return `"` + strings.Join(out, "<br/>") + `"`
}
