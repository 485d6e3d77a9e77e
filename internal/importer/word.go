package importer

import (
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// maxParts bounds how many variables a word is made of.
const maxParts = 64

// literal is the value of a word in an assignment.
func (e *evaluator) literal(w *syntax.Word) (text, why string) {
	if w == nil {
		return "", ""
	}
	if why := e.unsafe(w, false); why != "" {
		return "", why
	}
	text, err := expand.Literal(e.config(), w)
	if err != nil {
		return "", "it cannot be evaluated"
	}
	return text, ""
}

// fields are the values of words that are split at spaces, as in an array.
func (e *evaluator) fields(words []*syntax.Word) (list []string, why string) {
	if len(words) > maxValue {
		return nil, "it has too many elements"
	}
	size := 0
	for _, w := range words {
		if why := e.unsafe(w, true); why != "" {
			return nil, why
		}
		more, err := expand.Fields(e.config(), w)
		if err != nil {
			return nil, "it cannot be evaluated"
		}
		for _, t := range more {
			size += len(t) + 1
		}
		if size > maxValue {
			return nil, "it is too long"
		}
		list = append(list, more...)
	}
	return list, ""
}

// config expands without commands, files and the names of users.
func (e *evaluator) config() *expand.Config { return &expand.Config{Env: e} }

// unsafe returns why a word is not expanded: because only running the script
// could show its value, or because expanding might not end. It looks at the
// word alone and lets through what is known to be harmless.
func (e *evaluator) unsafe(w *syntax.Word, split bool) string {
	c := wordCheck{e: e, split: split}
	c.parts(w.Parts, false)
	return c.why
}

type wordCheck struct {
	e *evaluator
	// split is set where braces and wildcards count in the word.
	split bool
	seen  int
	why   string
}

func (c *wordCheck) parts(parts []syntax.WordPart, quoted bool) {
	for _, p := range parts {
		if c.why != "" {
			return
		}
		switch p := p.(type) {
		case *syntax.Lit:
			c.lit(p.Value, quoted)
		case *syntax.SglQuoted:
		case *syntax.DblQuoted:
			c.parts(p.Parts, true)
		case *syntax.ParamExp:
			c.param(p)
		case *syntax.CmdSubst, *syntax.ProcSubst:
			c.why = "it is computed by a command, which is not run"
		case *syntax.ArithmExp:
			c.why = "it is computed by arithmetic"
		default:
			c.why = "it is written in a way that is not evaluated"
		}
	}
}

func (c *wordCheck) lit(text string, quoted bool) {
	switch {
	case quoted:
	case strings.Contains(text, "~"):
		c.why = "it depends on the home of a user"
	case c.split && strings.ContainsAny(text, "*?["):
		c.why = "it depends on which files exist"
	case c.split && strings.Contains(text, "{"):
		c.why = "it is written with braces"
	}
}

// param lets ${X}, ${X[@]}, ${X:-default} and the cutting of ends through.
func (c *wordCheck) param(p *syntax.ParamExp) {
	if c.seen++; c.seen > maxParts {
		c.why = "it is made of too many variables"
		return
	}
	if p.Param == nil || p.Excl || p.Length || p.Width || p.IsSet || p.Flags != nil || p.NestedParam != nil ||
		p.Slice != nil || p.Repl != nil || p.Names != 0 || len(p.Modifiers) > 0 || !wholeOrFirst(p.Index) {
		c.why = "it is computed from another variable"
		return
	}
	name := p.Param.Value
	v, set := c.e.vars[name]
	if set && !v.known() {
		c.why = "it depends on " + name + ", which is not known"
		return
	}
	if p.Exp == nil {
		if !set && !c.e.setting(name) {
			c.why = "it depends on " + name + ", which the file does not set"
		}
		return
	}
	switch p.Exp.Op {
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.AlternateUnset, syntax.AlternateUnsetOrNull:
		if p.Exp.Word != nil {
			split := c.split
			c.split = false
			c.parts(p.Exp.Word.Parts, false)
			c.split = split
		}
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		// Matching costs the product of both lengths, so a long pattern is
		// not tried.
		if p.Exp.Word != nil && (p.Exp.Word.Lit() == "" || len(p.Exp.Word.Lit()) > maxParts) {
			c.why = "it is computed from another variable"
		}
	default:
		c.why = "it is computed from another variable"
	}
}

// wholeOrFirst accepts no index, [@], [*] and [0].
func wholeOrFirst(index syntax.ArithmExpr) bool {
	if index == nil {
		return true
	}
	w, ok := index.(*syntax.Word)
	return ok && strings.Contains(" @ * 0 ", " "+w.Lit()+" ")
}
