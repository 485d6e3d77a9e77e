package format

import (
	"bytes"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// walker goes through the items of bodies: attributes, blocks, comments and
// blank lines. Nested blocks are counted, not recursed into.
type walker struct {
	tokens hclsyntax.Tokens
	at     int
	edits  []edit
	// blocks are the types of the blocks that are open.
	blocks []string
	// edge is set from the beginning of a body to its first item or comment.
	edge bool
	// lineStart is true while nothing stands on the current line.
	lineStart bool
}

// edits lists what is to change besides the white space within lines.
func edits(tokens hclsyntax.Tokens) []edit {
	w := &walker{tokens: tokens, edge: true, lineStart: true}
	for w.peek().Type != hclsyntax.TokenEOF {
		w.item()
	}
	if !w.lineStart {
		end := w.peek().Range.Start.Byte
		w.edits = append(w.edits, edit{end, end, "\n"})
	}
	return w.edits
}

func (w *walker) peek() hclsyntax.Token { return w.tokens[w.at] }

func (w *walker) item() {
	t := w.peek()
	switch t.Type {
	case hclsyntax.TokenNewline:
		w.newline()
	case hclsyntax.TokenComment:
		w.at++
		// One on the line of the opening brace belongs to the brace.
		w.edge = w.edge && !w.lineStart
		w.lineStart = endsLine(t)
	case hclsyntax.TokenCBrace:
		w.at++
		w.edge, w.lineStart = false, false
		if n := len(w.blocks); n > 0 {
			w.blocks = w.blocks[:n-1]
		}
	case hclsyntax.TokenIdent:
		w.definition()
	default:
		w.at++ // a syntax error: the caller has reported it
		w.edge, w.lineStart = false, false
	}
}

// newline takes blank lines away at the edges of a body.
func (w *walker) newline() {
	blank := w.lineStart
	start := w.lineEnd()
	for w.at++; blank && w.peek().Type == hclsyntax.TokenNewline; w.at++ {
	}
	w.lineStart = true
	if !blank {
		return
	}
	next := w.peek().Type
	if w.edge || next == hclsyntax.TokenCBrace || next == hclsyntax.TokenEOF {
		w.edits = append(w.edits, edit{start, w.tokens[w.at-1].Range.End.Byte, ""})
	}
}

// lineEnd is where the line before the present token ends.
func (w *walker) lineEnd() int {
	if w.at == 0 {
		return 0
	}
	return w.tokens[w.at-1].Range.End.Byte
}

// definition takes an attribute whole, or the head of a block.
func (w *walker) definition() {
	name := string(w.peek().Bytes)
	w.edge, w.lineStart = false, false
	for w.at++; ; w.at++ {
		switch t := w.peek(); t.Type {
		case hclsyntax.TokenEqual:
			w.at++
			w.value(name)
			return
		case hclsyntax.TokenIdent:
			w.edits = append(w.edits, edit{t.Range.Start.Byte, t.Range.End.Byte, `"` + string(t.Bytes) + `"`})
		case hclsyntax.TokenOBrace:
			w.at++
			w.blocks = append(w.blocks, name)
			w.edge = true
			return
		case hclsyntax.TokenNewline, hclsyntax.TokenEOF, hclsyntax.TokenCBrace:
			return // a syntax error: the caller has reported it
		default: // quotes and comments
		}
	}
}

// value takes the expression of an attribute.
func (w *walker) value(name string) {
	start := w.at
	for depth := 0; ; w.at++ {
		t := w.peek()
		ends := t.Type == hclsyntax.TokenCBrace || breaksLine(t)
		if t.Type == hclsyntax.TokenEOF || depth == 0 && ends {
			break
		}
		depth += nesting(t.Type)
	}
	isType := name == "type" && len(w.blocks) == 1 && w.blocks[0] == "variable"
	if !isType {
		// What stands there is no expression.
		w.unwrap(trim(w.tokens[start:w.at], hclsyntax.TokenComment))
	}
}

// unwrap takes "${" and "}" off an expression that is nothing else.
func (w *walker) unwrap(expr hclsyntax.Tokens) {
	var closing []edit
	for wrapped(expr) {
		last := len(expr) - 1
		inner := trim(expr[2:last-1], hclsyntax.TokenNewline)
		if len(inner) == 0 {
			break // a syntax error: the caller has reported it
		}
		before, after := "", ""
		if slices.ContainsFunc(inner, breaksLine) {
			// Only brackets let an expression go on over lines.
			before, after = "(", ")"
		}
		w.edits = append(w.edits, edit{expr[0].Range.Start.Byte, inner[0].Range.Start.Byte, before})
		closing = append(closing, edit{inner[len(inner)-1].Range.End.Byte, expr[last].Range.End.Byte, after})
		if before != "" {
			break
		}
		expr = trim(inner, hclsyntax.TokenComment)
	}
	slices.Reverse(closing)
	w.edits = append(w.edits, closing...)
}

// wrapped reports whether an expression is "${x}" and may as well be x.
func wrapped(expr hclsyntax.Tokens) bool {
	last := len(expr) - 1
	if last < 4 || !is(expr[0], hclsyntax.TokenOQuote, `"`) || !is(expr[1], hclsyntax.TokenTemplateInterp, "${") ||
		!is(expr[last-1], hclsyntax.TokenTemplateSeqEnd, "}") || !is(expr[last], hclsyntax.TokenCQuote, `"`) {
		return false
	}
	depth := 0
	for _, t := range expr[1 : last-1] {
		if depth += nesting(t.Type); depth == 0 {
			return false // "${a}${b}"
		}
		if t.Type == hclsyntax.TokenOHeredoc {
			return false // its end must stand alone on a line
		}
	}
	return true
}

func is(t hclsyntax.Token, typ hclsyntax.TokenType, text string) bool {
	return t.Type == typ && string(t.Bytes) == text
}

// trim takes tokens of one type off both ends.
func trim(expr hclsyntax.Tokens, typ hclsyntax.TokenType) hclsyntax.Tokens {
	for len(expr) > 0 && expr[0].Type == typ {
		expr = expr[1:]
	}
	for len(expr) > 0 && expr[len(expr)-1].Type == typ {
		expr = expr[:len(expr)-1]
	}
	return expr
}

func breaksLine(t hclsyntax.Token) bool { return t.Type == hclsyntax.TokenNewline || endsLine(t) }

// endsLine reports whether a token is a comment with the end of its line.
func endsLine(t hclsyntax.Token) bool {
	return t.Type == hclsyntax.TokenComment && bytes.HasSuffix(t.Bytes, []byte("\n"))
}

func nesting(t hclsyntax.TokenType) int {
	switch t {
	case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
		hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		return 1
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
		hclsyntax.TokenTemplateSeqEnd:
		return -1
	default:
		return 0
	}
}
