package text

import (
	"strings"

	"bkp/lang"
	"bkp/lang/funcs"
)

// Overview lists blocks and strategies, one a line.
func (p Page) Overview(s lang.Schema) {
	var rows [][2]string
	for _, b := range s.Blocks {
		rows = append(rows, [2]string{b.Name, b.Summary})
		for _, st := range s.Strategies {
			if st.Kind == b.Name {
				rows = append(rows, [2]string{"  " + st.Address(), st.Summary})
			}
		}
	}
	p.entries("", rows)
}

// Entries lists names with what they mean below a title.
func (p Page) Entries(title string, rows [][2]string) {
	p.line("\n%s", title)
	p.entries("  ", rows)
}

func (p Page) entries(indent string, rows [][2]string) {
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		padded := r[0] + strings.Repeat(" ", width-len(r[0]))
		p.line("%s%s  %s", indent, p.Style.Bold(padded), wrap(r[1], p.Width, len(indent)+width+2))
	}
}

// Block shows a block of the language with all that it takes.
func (p Page) Block(b lang.Block) {
	head := b.Name
	for _, label := range b.Labels {
		head += " " + strings.ToUpper(label)
	}
	summary := b.Summary
	switch {
	case b.Required:
		summary += " (required)"
	case b.Repeatable:
		summary += " (may be repeated)"
	}
	if b.Details != "" {
		summary += "\n\n" + b.Details
	}
	p.thing(head, summary, b.Attributes)
	for _, nested := range b.Blocks {
		p.line("")
		p.Block(nested)
	}
	p.example(b.Example)
}

// Strategy shows a strategy with all that its block takes.
func (p Page) Strategy(s lang.Strategy) {
	p.thing(s.Name()+" NAME", s.Summary, s.Attributes)
	for _, nested := range s.Blocks {
		p.line("")
		p.Block(nested)
	}
	p.example(s.Example)
}

func (p Page) thing(head, summary string, attrs []lang.Attribute) {
	p.line("%s", p.Style.Bold(head))
	p.line("%s", wrap(summary, p.Width, 0))
	for _, a := range attrs {
		p.line("\n  %s  %s", p.Style.Bold(a.Name), p.Style.Faint(Kind(a)))
		p.line("      %s", wrap(a.Help, p.Width, 6))
		if a.Unset != "" {
			p.line("      %s", wrap("not set: "+a.Unset, p.Width, 6))
		}
	}
}

// Kind shows an attribute's type and whether it must be set.
func Kind(a lang.Attribute) string {
	out := a.Type
	switch {
	case a.Sensitive && a.Optional:
		out += ", secret"
	case a.Sensitive:
		out += ", secret, required"
	case !a.Optional:
		out += ", required"
	case a.Default != "":
		out += ", default " + a.Default
	}
	return out
}

func (p Page) example(text string) {
	if text == "" {
		return
	}
	p.line("\n%s\n", p.Style.Bold("Example"))
	for line := range strings.Lines(text) {
		p.line("%s", strings.TrimRight("    "+line, " \n"))
	}
}

// Functions lists functions with their signatures.
func (p Page) Functions(list []funcs.Doc) {
	group := ""
	for _, f := range list {
		if f.Group != group {
			if group != "" {
				p.line("")
			}
			p.line("%s", p.Style.Bold(f.Group))
			group = f.Group
		}
		p.line("  %s", f.Signature)
		p.line("      %s", wrap(f.Description, p.Width, 6))
	}
}
