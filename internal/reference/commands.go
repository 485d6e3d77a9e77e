package main

import (
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"bkp/internal/cli"
	"bkp/internal/completion"
)

func commands(manual cli.Manual) string {
	p := newPage("Command line")
	app := manual.Commands
	p.paragraph("One dash does before a long flag, as with Terraform. bkp help COMMAND and bkp COMMAND --help show the same as this page.")
	leaves := app.Leaves(true)
	var rows [][]string
	for _, c := range leaves {
		rows = append(rows, []string{link(verbatim(c.FullPath()), "#"+strings.ReplaceAll(c.FullPath(), " ", "-")), escape(c.Help)})
	}
	p.table([]string{"name", "what it does"}, rows)
	p.line("\n## Flags of every command")
	p.flags(app.Flags)
	p.line("\n## Exit codes")
	p.exitCodes(manual.ExitCodes)
	for _, c := range leaves {
		p.command(c)
	}
	return p.String()
}

func (p *page) exitCodes(codes []cli.ExitCode) {
	var rows [][]string
	for _, c := range codes {
		rows = append(rows, []string{strconv.Itoa(c.Code), escape(c.Meaning)})
	}
	p.table([]string{"code", "meaning"}, rows)
}

func (p *page) command(c *kong.Node) {
	p.line("\n## bkp %s", c.Path())
	p.paragraph(c.Help)
	usage := "bkp " + c.Path()
	if len(c.Flags) > 0 {
		usage += " [FLAG…]"
	}
	var rows [][]string
	for _, v := range c.Positional {
		name := strings.Join(completion.Placeholders(v), "|")
		rows = append(rows, []string{verbatim(name), escape(v.Help)})
		if v.IsCumulative() {
			name += "…"
		}
		if !v.Required {
			name = "[" + name + "]"
		}
		usage += " " + name
	}
	p.code("", usage)
	intro, examples := cli.Details(c)
	p.paragraph(intro)
	p.table([]string{"argument", "meaning"}, rows)
	p.flags(c.Flags)
	if examples != "" {
		var lines []string
		for line := range strings.Lines(examples) {
			lines = append(lines, strings.TrimPrefix(line, "  "))
		}
		p.code("", strings.TrimSpace(strings.Join(lines, "")))
	}
}

func (p *page) flags(flags []*kong.Flag) {
	var rows [][]string
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		rows = append(rows, []string{verbatim(spelling(f)), verbatim(standard(f)), escape(f.Help)})
	}
	p.table([]string{"flag", "default", "meaning"}, rows)
}

// spelling is how a flag is written, with its placeholder or what it can be.
func spelling(f *kong.Flag) string {
	out := "--" + f.Name
	if f.Short != 0 {
		out = "-" + string(f.Short) + ", " + out
	}
	switch {
	case f.Tag.Negatable != "":
		return out + ", --no-" + f.Name
	case f.IsBool():
		return out
	case f.Enum != "":
		return out + "=" + strings.Join(f.EnumSlice(), "|")
	case f.PlaceHolder != "":
		return out + "=" + f.PlaceHolder
	default:
		return out + "=N"
	}
}

func standard(f *kong.Flag) string {
	if f.HasDefault {
		return f.Default
	}
	return ""
}

func environment(manual cli.Manual) string {
	p := newPage("Environment variables")
	var rows [][]string
	for _, v := range manual.Environment {
		rows = append(rows, []string{verbatim(v.Name), escape(v.Help)})
	}
	p.table([]string{"variable", "meaning"}, rows)
	p.paragraph("The function env reads any other that a configuration names.")
	return p.String()
}
