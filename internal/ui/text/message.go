package text

import (
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Failure prints an error with its remedy.
func (p Page) Failure(text, remedy string) {
	p.line("%s %s", p.Style.Red("bkp: error:"), wrap(strings.TrimSpace(text), p.Width, 4))
	p.Hint(remedy)
}

// Hint prints a remedy; "" prints nothing.
func (p Page) Hint(remedy string) {
	if remedy != "" {
		p.line("%s %s", p.Style.Faint("bkp: hint:"), wrap(remedy, p.Width, 4))
	}
}

// Warning prints a warning with its remedy.
func (p Page) Warning(text, remedy string) {
	p.line("%s %s", p.Style.Yellow("bkp: warning:"), wrap(text, p.Width, 4))
	p.Hint(remedy)
}

// Status shows a line that the next one takes the place of; "" clears it. Only
// for a terminal.
func (p Page) Status(text string) {
	_, _ = io.WriteString(p.Out, "\r\x1b[K"+visible(text))
}

// Item prints a line and, indented below it, what there is to say about it.
func (p Page) Item(head, body string) {
	p.line("%s", head)
	if body != "" {
		p.line("    %s", wrap(body, p.Width, 4))
	}
}

// Field is a name and what it stands for, which is wrapped beside it.
func (p Page) Field(name string, width int, value string) {
	indent := width + 1
	if p.Width > 0 && runes(value) > p.Width-indent {
		value = wrap(value, p.Width, indent) // columns stay where they are in what fits
	}
	p.line("%s", strings.TrimRight(fmt.Sprintf("%-*s %s", width, name, value), " "))
}

// Diagnostics prints diagnostics with file, line and source.
func (p Page) Diagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) error {
	return hcl.NewDiagnosticTextWriter(Visible(p.Out), files, uint(max(p.Width, 0)), p.Style.Color).WriteDiagnostics(diags)
}
