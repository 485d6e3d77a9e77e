package lang

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A parser that met a mistake is silent about most others, and takes what
// follows for what it is not. A broken file is therefore parsed again in
// pieces: its blocks, and of a block that is broken its attributes. The first
// mistake of each piece is reported, as others in it are mostly consequences. The
// blocks that are not broken are read like any other.

// valueStart is how an attribute begins.
var valueStart = regexp.MustCompile(`(?m)^[A-Za-z_][A-Za-z0-9_-]*[ \t]*[=:]`)

func startOf(names []string) *regexp.Regexp {
	label := `[ \t]+(=[ \t]*)?("[^"\n]*"|'[^'\n]*'|[A-Za-z_][A-Za-z0-9_-]*)`
	return regexp.MustCompile(`(?m)^(` + strings.Join(names, "|") + `)(` + label + `)*[ \t]*=?[ \t]*\{`)
}

// parseNative parses a file of the native syntax. A file that has errors may
// give several sources, some of them broken.
func (g *grammar) parseNative(text []byte, name string) parsed {
	file, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	whole := parsed{file: file, diags: diags, sources: []source{{body: file.Body, broken: misread(diags)}}}
	if !misread(diags) {
		return whole
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		whole.diags = hcl.Diagnostics{problemAt(rangeAt(text, name, bytes.IndexByte(text, '{')), "JSON in a file of the native syntax",
			"The file begins with a brace, as JSON does.", "Give it a name that ends in .json, or write blocks such as instance \"NAME\" { … }.")}
		return whole
	}
	starts := g.start
	if strings.HasSuffix(name, varsExt) {
		starts = valueStart
	}
	out := parsed{file: file}
	from := hcl.InitialPos
	for _, end := range append(boundaries(text, name, starts), len(text)) {
		part := text[from.Byte:end]
		file, diags := hclsyntax.ParseConfig(part, name, from)
		out.sources = append(out.sources, source{body: file.Body, broken: misread(diags), piece: true})
		out.diags = append(out.diags, smaller(part, name, from, diags, 0)...)
		from.Byte = end
		from.Line += bytes.Count(part, []byte("\n"))
	}
	if !misread(out.diags) {
		whole.diags = first(diags)
		out = whole
	}
	for _, d := range out.diags {
		lookCloser(d, text)
	}
	return out
}

// misread reports whether diagnostics of the parser are about more than an
// attribute that is set twice, after which the rest is read all the same.
func misread(diags hcl.Diagnostics) bool {
	return slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagError && !isRedefinition(d) })
}

func isRedefinition(d *hcl.Diagnostic) bool { return d.Summary == "Attribute redefined" }

// boundaries are where the pieces after the first begin. What looks like a
// block within a heredoc or a comment is none; but a quote that is not closed
// makes one text of all lines that follow, and there it counts.
func boundaries(text []byte, name string, starts *regexp.Regexp) []int {
	tokens, _ := hclsyntax.LexConfig(text, name, hcl.InitialPos)
	var out []int
	i, quoted := 0, false
	for _, m := range starts.FindAllIndex(text, -1) {
		at := m[0]
		for ; i < len(tokens) && tokens[i].Range.Start.Byte < at; i++ {
			switch tokens[i].Type {
			case hclsyntax.TokenOQuote:
				quoted = true
			case hclsyntax.TokenOHeredoc, hclsyntax.TokenComment, hclsyntax.TokenCQuote:
				quoted = false
			case hclsyntax.TokenStar:
				if bytes.HasSuffix(text[:tokens[i].Range.Start.Byte], []byte("/")) {
					return out // a comment that is not closed
				}
			default:
			}
		}
		atToken := i < len(tokens) && tokens[i].Range.Start.Byte == at && tokens[i].Type == hclsyntax.TokenIdent
		if at > 0 && (atToken || quoted) {
			out = append(out, at)
		}
	}
	return out
}

// maxBlocks bounds how deep blocks are looked into: each level is parsed again.
const maxBlocks = 6

// smaller returns the first mistake of each item of a broken text, or the first
// of the whole. It goes as deep as blocks are nested, up to maxBlocks.
func smaller(text []byte, name string, from hcl.Pos, diags hcl.Diagnostics, depth int) hcl.Diagnostics {
	if !diags.HasErrors() {
		return nil
	}
	redefined := slices.DeleteFunc(slices.Clone(diags), func(d *hcl.Diagnostic) bool { return !isRedefinition(d) })
	if !misread(diags) {
		return redefined
	}
	var out hcl.Diagnostics
	if depth < maxBlocks {
		inside := items(text, name, from)
		if head := first(diags); len(inside) > 0 && len(head) > 0 && head[0].Subject.Start.Byte < inside[0].Start.Byte {
			out = head
		}
		for _, r := range inside {
			part := text[r.Start.Byte-from.Byte : r.End.Byte-from.Byte]
			_, d := hclsyntax.ParseConfig(part, name, r.Start)
			out = append(out, smaller(part, name, r.Start, d, depth+1)...)
		}
	}
	if !misread(out) {
		out = first(diags)
	}
	return append(out, redefined...)
}

// first is the first mistake in the order of the text.
func first(diags hcl.Diagnostics) hcl.Diagnostics {
	var out *hcl.Diagnostic
	for _, d := range diags {
		if d.Severity != hcl.DiagError || d.Subject == nil || isRedefinition(d) {
			continue
		}
		if out == nil || d.Subject.Start.Byte < out.Subject.Start.Byte {
			out = d
		}
	}
	if out == nil {
		return nil
	}
	return hcl.Diagnostics{out}
}

// items are the ranges of what stands in a block of several lines, if its
// brackets match.
func items(text []byte, name string, from hcl.Pos) []hcl.Range {
	tokens, _ := hclsyntax.LexConfig(text, name, from)
	var out []hcl.Range
	depth, start := 0, -1
	for i, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenNewline:
			if depth != 1 {
				continue
			}
			if start >= 0 && i > start {
				out = append(out, hcl.RangeBetween(tokens[start].Range, t.Range))
			}
			start = i + 1
		default:
		}
		if depth < 0 {
			return nil
		}
		if depth == 0 {
			start = -1
		}
	}
	if depth != 0 {
		return nil
	}
	return out
}

// lookCloser explains a mistake, by what stands there.
func lookCloser(d *hcl.Diagnostic, text []byte) {
	if d.Subject == nil || d.Subject.Start.Byte >= len(text) {
		return
	}
	at := text[d.Subject.Start.Byte:]
	line, _, _ := bytes.Cut(at, []byte("\n"))
	switch {
	case bytes.HasPrefix(at, []byte("/*")):
		setDetail(d, "The comment is not closed.", "Close it with */.")
	case d.Summary == "Argument or block definition required" && at[0] == '}':
		setDetail(d, "This brace closes nothing.", "Remove it, or open the block that it belongs to.")
	case d.Summary == "Argument or block definition required" && bytes.ContainsRune(line, '\''):
		setDetail(d, "Single quotes are not allowed here.", `Write "straight double quotes" around texts and labels.`)
	case d.Summary == "Invalid expression" && (at[0] == '/' || at[0] == '~'):
		setDetail(d, "A path is not in quotes.", "Write it in double quotes.")
	case d.Summary == "Invalid character" && at[0] == '$':
		setDetail(d, "A dollar sign is outside of a text.", `Write env("NAME") for a variable of the environment, and var.NAME for one of the configuration.`)
	}
}
