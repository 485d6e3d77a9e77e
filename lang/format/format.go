package format

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// ErrUnsafe is returned for a text whose formatted form would not be read as
// the same tokens. It is a defect of this package or of the library below it,
// caught before it reaches a file.
var ErrUnsafe = errors.New("formatting would change the meaning")

// Source returns the canonical form of a configuration or variables file in
// native syntax. src MUST be UTF-8 and free of syntax errors. Formatting the
// result again yields the same.
func Source(src []byte) ([]byte, error) {
	if !utf8.Valid(src) {
		// The parser is not sure to notice, and the tokens mean nothing then.
		return nil, ErrUnsafe
	}
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	edited := apply(src, edits(lex(src)))
	out := hclwrite.Format(edited)
	if !sameTokens(lex(edited), lex(out)) {
		return nil, ErrUnsafe
	}
	return out, nil
}

func lex(src []byte) hclsyntax.Tokens {
	// What the lexer objects to is left to the parser, which the caller asked.
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	return tokens
}

func sameTokens(a, b hclsyntax.Tokens) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Type != b[i].Type || !bytes.Equal(a[i].Bytes, b[i].Bytes) {
			return false
		}
	}
	return true
}

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	text       string
}

// apply carries out edits, which are in order and do not overlap.
func apply(src []byte, list []edit) []byte {
	out := make([]byte, 0, len(src)+16)
	at := 0
	for _, e := range list {
		out = append(out, src[at:e.start]...)
		out = append(out, e.text...)
		at = e.end
	}
	return append(out, src[at:]...)
}
