package lang

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maskLiterals keeps the texts and numbers that stand in an expression out of
// every source line that a diagnostic shows: they are, or are part of, a
// secret. Arguments of functions, such as the names that env and file take,
// stay readable if deep is false.
func (l *loader) maskLiterals(at hcl.Range, deep bool) {
	file := l.config.files[at.Filename]
	if file == nil || !at.CanSliceBytes(file.Bytes) {
		return
	}
	tokens, _ := hclsyntax.LexExpression(at.SliceBytes(file.Bytes), at.Filename, at.Start)
	inCall := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOParen:
			inCall++
		case hclsyntax.TokenCParen:
			inCall--
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenNumberLit:
			if deep || inCall == 0 {
				l.config.masked = append(l.config.masked, t.Range)
			}
		default:
		}
	}
}

// shown is the files with the masked parts replaced byte by byte, so that all
// positions stay right.
func shown(files map[string]*hcl.File, masked []hcl.Range) map[string]*hcl.File {
	out := make(map[string]*hcl.File, len(files))
	for name, f := range files {
		out[name] = f
	}
	for _, at := range masked {
		f := out[at.Filename]
		if f == files[at.Filename] {
			f = &hcl.File{Body: f.Body, Bytes: slices.Clone(f.Bytes), Nav: f.Nav}
			out[at.Filename] = f
		}
		for i, b := range at.SliceBytes(f.Bytes) {
			if b != '\n' && b != '\r' {
				f.Bytes[at.Start.Byte+i] = '*'
			}
		}
	}
	return out
}
