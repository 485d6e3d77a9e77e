package graph

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"bkp/internal/engine/plan"
)

// DOT writes the plans for Graphviz: dot -Tsvg.
func DOT(out io.Writer, f plan.File) error {
	var b strings.Builder
	b.WriteString("digraph bkp {\n  rankdir=\"TB\"\n  node [shape=\"box\", fontname=\"sans-serif\"]\n  graph [fontname=\"sans-serif\"]\n")
	for _, p := range f.Plans {
		dotPlan(&b, draw(p))
	}
	b.WriteString("}\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func dotPlan(b *strings.Builder, d drawing) {
	id := func(n plan.NodeID) string { return quote(d.title + ": " + string(n)) }
	write := func(indent string, list []node) {
		for _, n := range list {
			fmt.Fprintf(b, "%s%s [label=%s", indent, id(n.id), quote(n.lines...))
			if n.does != "" {
				fmt.Fprintf(b, ", tooltip=%s", quote(n.does))
			}
			b.WriteString("]\n")
		}
	}
	fmt.Fprintf(b, "  subgraph %s {\n    label=%s\n", quote("cluster_"+d.title), quote(d.title))
	write("    ", d.before)
	if len(d.locked) > 0 {
		fmt.Fprintf(b, "    subgraph %s {\n      label=%s\n      color=\"red\"\n      penwidth=\"2\"\n", quote("cluster_lock_"+d.title), quote(lockLabel))
		write("      ", d.locked)
		b.WriteString("    }\n")
	}
	write("    ", d.after)
	write("    ", d.used)
	for _, e := range d.edges {
		fmt.Fprintf(b, "    %s -> %s\n", id(e.from), id(e.to))
	}
	for _, e := range d.uses {
		fmt.Fprintf(b, "    %s -> %s [style=\"dashed\"]\n", id(e.from), id(e.to))
	}
	b.WriteString("  }\n")
}

// quote writes lines as one string of DOT. A backslash is doubled, or it would
// begin one of Graphviz's own escapes.
func quote(lines ...string) string {
	var out []string
	for _, l := range lines {
		out = append(out, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(printable(l)))
	}
	return `"` + strings.Join(out, `\n`) + `"`
}

// printable puts a space in the place of what cannot be drawn.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}
