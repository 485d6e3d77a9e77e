package json

import (
	"bufio"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
)

// Diagnostic is an error or a warning with its place, in Terraform's shape, so
// that editors and CI annotations made for Terraform can read it.
type Diagnostic struct {
	// Event is "diagnostic" in a stream, and left out inside a Validation.
	Event    string   `json:"event,omitempty"`
	Severity string   `json:"severity"`
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail"`
	Range    *Range   `json:"range,omitempty"`
	Snippet  *Snippet `json:"snippet,omitempty"`
}

// Range is a part of a file; End is behind its last character.
type Range struct {
	Filename string `json:"filename"`
	Start    Pos    `json:"start"`
	End      Pos    `json:"end"`
}

// Pos counts lines and columns from 1, bytes from 0. A column is a character
// as a person sees it.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// Snippet is the source around a range.
type Snippet struct {
	// Context is the head of the block around it, or null.
	Context *string `json:"context"`
	// Code is whole lines; the first one is StartLine. The offsets are
	// bytes in Code.
	Code                 string `json:"code"`
	StartLine            int    `json:"start_line"`
	HighlightStartOffset int    `json:"highlight_start_offset"`
	HighlightEndOffset   int    `json:"highlight_end_offset"`
	// Values is always empty: a value may be a secret. Terraform's readers
	// expect the field.
	Values []struct{} `json:"values"`
}

// NewDiagnostic returns d with the source from files, which hold what may be
// shown: the caller MUST have masked secrets.
func NewDiagnostic(d *hcl.Diagnostic, files map[string]*hcl.File) Diagnostic {
	out := Diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if d.Subject == nil {
		return out
	}
	// As in Terraform an empty range gets a width, and a range without an end
	// ends where it starts.
	highlight := *d.Subject
	if highlight.End == (hcl.Pos{}) {
		highlight.End = highlight.Start
	}
	whole := highlight
	if d.Context != nil {
		whole = hcl.RangeOver(*d.Context, highlight)
	}
	highlight, whole = atLeastOne(highlight), atLeastOne(whole)
	out.Range = &Range{Filename: highlight.Filename, Start: pos(highlight.Start), End: pos(highlight.End)}
	if file := files[highlight.Filename]; file != nil && file.Bytes != nil {
		out.Snippet = snippet(file, highlight, whole)
	}
	return out
}

func atLeastOne(r hcl.Range) hcl.Range {
	if r.Empty() {
		r.End.Byte++
		r.End.Column++
	}
	return r
}

func pos(p hcl.Pos) Pos { return Pos{Line: p.Line, Column: p.Column, Byte: p.Byte} }

func snippet(file *hcl.File, highlight, whole hcl.Range) *Snippet {
	out := &Snippet{StartLine: whole.Start.Line, Values: []struct{}{}}
	if context := hcled.ContextString(file, highlight.Start.Byte); context != "" {
		out.Context = &context
	}
	var code strings.Builder
	first := -1
	lines := hcl.NewRangeScanner(file.Bytes, highlight.Filename, bufio.ScanLines)
	for lines.Scan() {
		line := lines.Range()
		if !line.Overlaps(whole) {
			continue
		}
		if first < 0 {
			first, out.StartLine = line.Start.Byte, line.Start.Line
		}
		code.Write(lines.Bytes())
		code.WriteByte('\n')
	}
	out.Code = strings.TrimSuffix(code.String(), "\n")
	// A range may begin or end at the end of a line, or of the file.
	within := func(n int) int { return min(max(n-max(first, 0), 0), len(out.Code)) }
	out.HighlightStartOffset = within(highlight.Start.Byte)
	out.HighlightEndOffset = max(within(highlight.End.Byte), out.HighlightStartOffset)
	return out
}

// Validation is what `bkp validate --json` prints, in Terraform's shape.
type Validation struct {
	FormatVersion string       `json:"format_version"`
	Valid         bool         `json:"valid"`
	ErrorCount    int          `json:"error_count"`
	WarningCount  int          `json:"warning_count"`
	Diagnostics   []Diagnostic `json:"diagnostics"`
}

// ValidationFormat changes its major number when a reader must change.
const ValidationFormat = "1.0"

// NewValidation sums diagnostics up.
func NewValidation(diags hcl.Diagnostics, files map[string]*hcl.File) Validation {
	out := Validation{FormatVersion: ValidationFormat, Valid: true, Diagnostics: []Diagnostic{}}
	for _, d := range diags {
		switch d.Severity {
		case hcl.DiagWarning:
			out.WarningCount++
		default:
			out.ErrorCount++
			out.Valid = false
		}
		out.Diagnostics = append(out.Diagnostics, NewDiagnostic(d, files))
	}
	return out
}
