// Package hcldoc writes annotated configuration: blocks, attributes and
// comments for people to read and go on from.
//
// It leaves out what the blocks mean. Whatever text it is given, what it
// writes can be parsed.
package hcldoc

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"

	"bkp/lang/format"
)

// Doc is a text that grows. Its zero value is empty.
type Doc struct {
	b bytes.Buffer
	// head is where the head of the block that was begun last ends.
	head int
}

// Blank adds an empty line.
func (d *Doc) Blank() { d.b.WriteByte('\n') }

// Comment adds a comment, each line of the text on a line of its own.
func (d *Doc) Comment(text string) {
	for line := range strings.SplitSeq(printable(text), "\n") {
		d.b.WriteString(strings.TrimRight("# "+line, " \t") + "\n")
	}
}

// Prose adds a comment whose lines are broken at spaces.
func (d *Doc) Prose(text string) {
	const width = 78
	var lines []string
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && len([]rune(lines[last]))+1+len([]rune(word)) <= width {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	d.Comment(strings.Join(lines, "\n"))
}

// Add adds another document.
func (d *Doc) Add(other *Doc) { d.b.Write(other.b.Bytes()) }

// Empty reports whether nothing was added.
func (d *Doc) Empty() bool { return d.b.Len() == 0 }

// Nested adds a block with the content of another document, unless that is empty.
func (d *Doc) Nested(typ string, content *Doc) {
	if content.Empty() {
		return
	}
	d.Blank()
	d.Open(typ)
	d.Add(content)
	d.Close()
}

// Open begins a block. Close ends it.
func (d *Doc) Open(typ string, labels ...string) {
	d.b.WriteString(typ)
	for _, l := range labels {
		d.b.WriteString(" " + Quote(l))
	}
	d.b.WriteString(" {\n")
	d.head = d.b.Len()
}

// Close ends the block that was begun last.
func (d *Doc) Close() {
	if d.b.Len() == d.head {
		d.b.Truncate(d.b.Len() - 1)
	}
	d.b.WriteString("}\n")
}

// Attr adds an attribute whose value is an expression in HCL, such as Quote
// makes. A note stands behind it as a comment.
func (d *Doc) Attr(name, expr, note string) {
	d.b.WriteString(name + " = " + expr)
	if note != "" {
		d.b.WriteString(" # " + strings.ReplaceAll(printable(note), "\n", " "))
	}
	d.b.WriteByte('\n')
}

// Disabled adds what write makes as a comment.
func (d *Doc) Disabled(write func(*Doc)) error {
	var inner Doc
	write(&inner)
	text, err := inner.Bytes()
	if err != nil {
		return err
	}
	d.Comment(strings.TrimRight(string(text), "\n"))
	return nil
}

// Bytes returns the text in canonical form.
func (d *Doc) Bytes() ([]byte, error) { return format.Source(d.b.Bytes()) }

// Quote writes a text as a literal. See Faithful.
func Quote(text string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(text)).Bytes())
}

// Quotes writes a list of texts.
func Quotes(texts []string) string {
	out := make([]string, 0, len(texts))
	for _, t := range texts {
		out = append(out, Quote(t))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// Faithful reports whether the language can hold the text as it is: it knows
// only UTF-8, and only composed characters.
func Faithful(text string) bool { return utf8.ValidString(text) && norm.NFC.IsNormalString(text) }

// printable is a text that may stand in a comment.
func printable(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, text)
}
