// Package manual writes the manual pages of bkp from the grammar that parses its
// command line, so that they cannot say anything else than --help.
package manual

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/cpuguy83/go-md2man/v2/md2man"

	"bkp/internal/cli"
	"bkp/internal/completion"
)

// Pages are the manual pages by the name of their files: bkp.1, and one for each
// command, such as bkp-plan.1. Version and date are for their feet.
func Pages(m cli.Manual, version string, date time.Time) map[string][]byte {
	out := map[string][]byte{}
	add := func(name string, p *page) {
		out[name+".1"] = whole(md2man.Render([]byte(p.String())))
	}
	foot := foot{version: version, date: date.UTC().Format(time.DateOnly)}
	add("bkp", overview(m, foot))
	for _, c := range m.Commands.Leaves(true) {
		add(pageName(c), command(m, c, foot))
	}
	return out
}

// flagInText is a flag with a hyphen in its name.
var flagInText = regexp.MustCompile(`--[a-z]+(-[a-z]+)+`)

// whole keeps flags on one line: troff breaks lines at a hyphen, but not at a minus.
func whole(page []byte) []byte {
	return flagInText.ReplaceAllFunc(page, func(flag []byte) []byte { return bytes.ReplaceAll(flag, []byte("-"), []byte(`\-`)) })
}

// pageName is the name of a command's page, such as bkp-plan.
func pageName(c *kong.Node) string { return "bkp-" + strings.ReplaceAll(c.Path(), " ", "-") }

// foot is what stands at the foot of each page.
type foot struct{ version, date string }

func overview(m cli.Manual, foot foot) *page {
	p := newPage("bkp", foot, m.Commands.Help)
	p.section("Synopsis")
	p.line(`**bkp** *COMMAND* \[*FLAG*…\] \[*ARGUMENT*…\]`)
	p.section("Description")
	p.paragraph("bkp reads the files *.bkp.hcl of a folder, which declare instances of Bitbucket Data Center, what to back up of each and where to. bkp plan shows what a backup will do, bkp apply makes it, and bkp restore brings it back.")
	p.section("Commands")
	for _, c := range m.Commands.Leaves(true) {
		p.entry("**"+pageName(c)+"**(1)", c.Help)
	}
	p.section("Options of every command")
	p.flags(m.Commands.Flags)
	p.exitCodes(m.ExitCodes)
	p.section("Environment")
	for _, v := range m.Environment {
		p.entry("**"+escape(v.Name)+"**", v.Help)
	}
	p.section("Files")
	p.entry("*/etc/bkp/\\*.bkp.hcl*", "the configuration, by convention; bkp reads the folder it runs in, or that of -C")
	p.entry("*/etc/bkp/secrets.env*", "variables of the units of systemd, for env(\"NAME\") in the configuration")
	p.entry("*/var/lib/bkp*", "journal, list of backups and working copies, unless state_dir says otherwise")
	return p
}

func command(m cli.Manual, c *kong.Node, foot foot) *page {
	p := newPage(pageName(c), foot, c.Help)
	p.section("Synopsis")
	usage := "**bkp " + c.Path() + `** \[*FLAG*…\]`
	for _, v := range c.Positional {
		usage += " " + argument(v)
	}
	p.line("%s", usage)
	intro, examples := cli.Details(c)
	if intro != "" {
		p.section("Description")
		p.paragraph(intro)
	}
	if len(c.Positional) > 0 {
		p.section("Arguments")
		for _, v := range c.Positional {
			p.entry(argument(v), v.Help)
		}
	}
	if slices.ContainsFunc(c.Flags, func(f *kong.Flag) bool { return !f.Hidden }) {
		p.section("Options")
		p.flags(c.Flags)
	}
	p.section("Options of every command")
	p.flags(m.Commands.Flags)
	if examples != "" {
		p.section("Examples")
		p.code(examples)
	}
	p.exitCodes(m.ExitCodes)
	p.section("See also")
	p.line("**bkp**(1)")
	return p
}

// argument is how one is written: optional ones in brackets.
func argument(v *kong.Value) string {
	name := "*" + escape(strings.Join(completion.Placeholders(v), "|")) + "*"
	if v.IsCumulative() {
		name += "…"
	}
	if !v.Required {
		name = `\[` + name + `\]`
	}
	return name
}

// page is Markdown that grows, in the form that md2man reads.
type page struct{ strings.Builder }

func newPage(name string, foot foot, help string) *page {
	p := &page{}
	p.line("%% %s 1 \"%s\" \"bkp %s\" \"bkp\"", name, foot.date, foot.version)
	p.section("Name")
	p.line("%s - %s", name, escape(strings.TrimSuffix(help, ".")))
	return p
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) section(title string) { p.line("\n# %s\n", strings.ToUpper(title)) }

func (p *page) paragraph(text string) { p.line("%s", escape(text)) }

// entry is one line of a list of definitions; the term is Markdown.
func (p *page) entry(term, text string) {
	p.line("%s\n: %s\n", term, escape(strings.ReplaceAll(text, "\n", " ")))
}

// code is shown as it is.
func (p *page) code(text string) { p.line("```\n%s\n```", strings.Trim(text, "\n")) }

func (p *page) exitCodes(codes []cli.ExitCode) {
	p.section("Exit status")
	for _, c := range codes {
		p.entry(fmt.Sprintf("**%d**", c.Code), c.Meaning)
	}
}

func (p *page) flags(flags []*kong.Flag) {
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		help := f.Help
		if f.HasDefault && f.Default != "" {
			help = strings.TrimSuffix(help, ".") + ". Default: " + f.Default + "."
		}
		p.entry(spelling(f), help)
	}
}

// spelling is how a flag is written, with its placeholder or what it can be.
func spelling(f *kong.Flag) string {
	out := "**--" + escape(f.Name) + "**"
	if f.Short != 0 {
		out = "**-" + string(f.Short) + "**, " + out
	}
	switch {
	case f.Tag.Negatable != "":
		return out + ", **--no-" + escape(f.Name) + "**"
	case f.IsBool():
		return out
	case f.Enum != "":
		return out + "=*" + escape(strings.Join(f.EnumSlice(), "|")) + "*"
	case f.PlaceHolder != "":
		return out + "=*" + escape(f.PlaceHolder) + "*"
	default:
		return out + "=*N*"
	}
}

// markdown are the characters of help that would mean something.
var markdown = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "`", "\\`", "<", `\<`, ">", `\>`, "[", `\[`, "]", `\]`, "~", `\~`)

func escape(text string) string { return markdown.Replace(text) }
