package main

import (
	"fmt"
	"strings"
)

// page is Markdown that grows.
type page struct{ strings.Builder }

// newPage begins with the words that keep people from editing it.
func newPage(title string) *page {
	p := &page{}
	p.line("<!-- Written by make docs. Do not edit: change what the source says. -->\n\n# %s", title)
	return p
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// paragraph ends with the blank line before it.
func (p *page) paragraph(text string) {
	if text != "" {
		p.line("\n%s", escape(text))
	}
}

func (p *page) code(language, text string) {
	p.line("\n```%s\n%s\n```", language, strings.TrimRight(text, "\n"))
}

// table has cells that are Markdown already.
func (p *page) table(header []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	p.line("\n| %s |", strings.Join(header, " | "))
	p.line("|%s", strings.Repeat(" --- |", len(header)))
	for _, r := range rows {
		p.line("| %s |", strings.Join(r, " | "))
	}
}

// markdown are the characters of help that would mean something.
var markdown = strings.NewReplacer("*", `\*`, "<", "&lt;", "|", `\|`)

func escape(text string) string { return markdown.Replace(text) }

// verbatim is a code span that may stand in a table.
func verbatim(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

func link(text, target string) string { return "[" + text + "](" + target + ")" }

// sentence makes one of a help text, which begins in lower case.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
