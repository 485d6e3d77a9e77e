package main

import (
	"fmt"
	"strings"

	"bkp/lang"
)

func index(schema lang.Schema) string {
	p := newPage("Reference")
	p.paragraph("All *.bkp.hcl and *.bkp.hcl.json files of a folder are one configuration. These blocks make it up; references between them are expressions, such as " + schema.Strategies[0].Address() + ".shared.")
	var rows [][]string
	for _, b := range schema.Blocks {
		rows = append(rows, []string{link(verbatim(head(b)), b.Name+".md"), escape(b.Summary)})
		for _, s := range schema.Strategies {
			if s.Kind == b.Name {
				rows = append(rows, []string{"&nbsp;&nbsp;" + link(verbatim(s.Name()), pageOf(s)), escape(s.Summary)})
			}
		}
	}
	p.table([]string{"block", "what it is"}, rows)
	p.line("\n- %s of the language", link("Functions", "functions.md"))
	p.line("- %s: commands, flags and exit codes", link("Command line", "cli.md"))
	p.line("- %s", link("Environment variables", "environment.md"))
	p.paragraph("The command `bkp providers` shows the same for the installed version, and `bkp providers --json` prints it for programs.")
	return p.String()
}

// head is how a block begins, with its labels in capitals.
func head(b lang.Block) string {
	out := b.Name
	for _, label := range b.Labels {
		out += fmt.Sprintf(" %q", strings.ToUpper(label))
	}
	return out
}

func pageOf(s lang.Strategy) string { return s.Kind + "-" + s.Type + ".md" }

func blockPage(b lang.Block, schema lang.Schema) string {
	p := newPage(verbatim(head(b)))
	p.paragraph(sentence(b.Summary))
	var rows [][]string
	for _, s := range schema.Strategies {
		if s.Kind == b.Name {
			rows = append(rows, []string{link(verbatim(s.Name()), pageOf(s)), escape(s.Summary)})
		}
	}
	p.table([]string{"strategy", "what it does"}, rows)
	p.paragraph(b.Details)
	p.body(b, "##")
	return p.String()
}

// body says what stands between a block's braces.
func (p *page) body(b lang.Block, level string) {
	p.attributes(b.Attributes)
	for _, nested := range b.Blocks {
		p.line("\n%s %s", level, verbatim(head(nested)))
		p.paragraph(sentence(nested.Summary))
		p.paragraph(nested.Details)
		switch {
		case nested.Required:
			p.paragraph("It is required.")
		case nested.Repeatable:
			p.paragraph("It may be repeated.")
		}
		p.body(nested, level+"#")
	}
	p.example(b.Example, level)
}

func strategyPage(s lang.Strategy) string {
	p := newPage(verbatim(fmt.Sprintf("%s %q", s.Name(), "NAME")))
	p.paragraph(sentence(s.Summary))
	p.body(lang.Block{Attributes: s.Attributes, Blocks: s.Blocks, Example: s.Example}, "##")
	return p.String()
}

func (p *page) attributes(attrs []lang.Attribute) {
	var rows [][]string
	for _, a := range attrs {
		rows = append(rows, []string{verbatim(a.Name), typeOf(a), presence(a), escape(a.Help)})
	}
	p.table([]string{"attribute", "type", "if not set", "meaning"}, rows)
}

func typeOf(a lang.Attribute) string {
	if a.Sensitive {
		return escape(a.Type) + ", secret"
	}
	return escape(a.Type)
}

// presence says what happens without the attribute.
func presence(a lang.Attribute) string {
	switch {
	case !a.Optional:
		return "**required**"
	case a.Default != "":
		return verbatim(a.Default)
	default:
		return escape(a.Unset)
	}
}

func (p *page) example(text, level string) {
	if text == "" {
		return
	}
	p.line("\n%s Example", level)
	p.code("hcl", text)
}

func functions(schema lang.Schema) string {
	p := newPage("Functions")
	p.paragraph("They are called as in Terraform, and those of Terraform's names do what Terraform's do. An argument followed by ... may be left out or repeated. What is made of a secret is a secret, too: only nonsensitive takes that back.")
	group := ""
	var rows [][]string
	flush := func() {
		p.table([]string{"function", "what it does"}, rows)
		rows = nil
	}
	for _, f := range schema.Functions {
		if f.Group != group {
			flush()
			group = f.Group
			p.line("\n## %s", group)
		}
		rows = append(rows, []string{verbatim(f.Signature), escape(f.Description)})
	}
	flush()
	return p.String()
}
