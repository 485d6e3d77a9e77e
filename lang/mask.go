package lang

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"bkp/providers"
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

// maskBehind masks what a secret is made of elsewhere: in locals, and in the
// defaults of variables. What is only named in the arguments of a function,
// such as the path of a file, is left out if deep is false.
func (l *loader) maskBehind(a *argument, deep bool) {
	seen := map[*vertex]bool{}
	var follow func(a *argument)
	follow = func(a *argument) {
		for _, ref := range a.refs {
			if !deep && l.inCall(a.expr.Range(), ref.rng) {
				continue
			}
			for _, v := range ref.to {
				if seen[v] || v.root != rootLocal && v.root != rootVar {
					continue
				}
				seen[v] = true
				if v.variable != nil {
					l.maskLiterals(v.variable.fallbackAt, deep)
				}
				for _, made := range v.args {
					l.maskLiterals(made.expr.Range(), deep)
					follow(made)
				}
			}
		}
	}
	follow(a)
}

// inCall reports whether a part of an expression stands between parentheses.
func (l *loader) inCall(expr, part hcl.Range) bool {
	file := l.config.files[expr.Filename]
	if file == nil || !expr.CanSliceBytes(file.Bytes) {
		return false
	}
	tokens, _ := hclsyntax.LexExpression(expr.SliceBytes(file.Bytes), expr.Filename, expr.Start)
	depth := 0
	for _, t := range tokens {
		if t.Range.Start.Byte >= part.Start.Byte {
			break
		}
		switch t.Type {
		case hclsyntax.TokenOParen:
			depth++
		case hclsyntax.TokenCParen:
			depth--
		default:
		}
	}
	return depth > 0
}

// maskSyntax does the same for lines that a syntax error shows: by the name of
// the attribute, as nothing else is known of them.
func (l *loader) maskSyntax() {
	assigned := regexp.MustCompile(`\b(` + strings.Join(l.secretNames(), "|") + `)"?[ \t]*[=:]?[ \t]*([^\n]*)`)
	for _, d := range l.diags {
		if d.Subject == nil || l.config.files[d.Subject.Filename] == nil {
			continue
		}
		shown := *d.Subject
		if d.Context != nil {
			shown = hcl.RangeOver(shown, *d.Context)
		}
		text := l.config.files[shown.Filename].Bytes
		from := bytes.LastIndexByte(text[:min(shown.Start.Byte, len(text))], '\n') + 1
		to := min(max(shown.End.Byte, from), len(text))
		if n := bytes.IndexByte(text[to:], '\n'); n >= 0 {
			to += n
		} else {
			to = len(text)
		}
		for _, m := range assigned.FindAllSubmatchIndex(text[from:to], -1) {
			l.config.masked = append(l.config.masked, hcl.Range{
				Filename: shown.Filename, Start: hcl.Pos{Byte: from + m[4]}, End: hcl.Pos{Byte: from + m[5]},
			})
		}
	}
}

// secretNames are the names of all attributes that hold secrets.
func (l *loader) secretNames() []string {
	names := map[string]bool{}
	var note func(s providers.Schema)
	note = func(s providers.Schema) {
		for _, a := range s.Attributes {
			if a.Secret {
				names[regexp.QuoteMeta(a.Name)] = true
			}
		}
		for _, b := range s.Blocks {
			note(b.Schema)
		}
	}
	note(instanceSchema)
	for _, def := range l.registry.Definitions() {
		note(def.Schema())
	}
	return keys(names)
}

// isSecret reports whether an argument of a block holds a secret.
func isSecret(v *vertex, name string) bool {
	a, ok := v.attribute(name)
	return ok && a.Secret
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
