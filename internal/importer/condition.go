package importer

import (
	"regexp"
	"strconv"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"
)

// maxPattern bounds the patterns of a case: a long one costs much to match.
const maxPattern = 256

func (e *evaluator) ifClause(c *syntax.IfClause) truth {
	for ; c != nil; c = c.Else {
		cond := yes // else has none
		if len(c.Cond) > 0 {
			cond = e.stmts(c.Cond)
		}
		switch cond {
		case yes:
			return e.stmts(c.Then)
		case unknown:
			e.uncertain(c)
			return unknown
		case no:
		}
	}
	return yes
}

// uncertain notes what an if may set from here on.
func (e *evaluator) uncertain(c *syntax.IfClause) {
	const why = "it is set under a condition that is only known when the script runs"
	for ; c != nil; c = c.Else {
		e.maybe(c.Then, why)
	}
}

func (e *evaluator) caseClause(c *syntax.CaseClause) truth {
	const why = "it is set in a case that is only known when the script runs"
	word, unknownWord := e.literal(c.Word)
	for i, item := range c.Items {
		match := unknown
		if unknownWord == "" {
			match = e.matchAny(item.Patterns, word)
		}
		switch {
		case match == no:
			continue
		case match == yes && item.Op == syntax.Break:
			return e.stmts(item.Stmts)
		}
		for _, rest := range c.Items[i:] {
			e.maybe(rest.Stmts, why)
		}
		return unknown
	}
	return yes
}

func (e *evaluator) matchAny(patterns []*syntax.Word, text string) truth {
	result := no
	for _, p := range patterns {
		switch e.match(p, text) {
		case yes:
			return yes
		case unknown:
			result = unknown
		case no:
		}
	}
	return result
}

// match compares a text with a pattern of the shell.
func (e *evaluator) match(w *syntax.Word, text string) truth {
	if e.unsafe(w, false) != "" {
		return unknown
	}
	p, err := expand.Pattern(e.config(), w)
	if err != nil || len(p) > maxPattern {
		return unknown
	}
	expr, err := pattern.Regexp(p, pattern.EntireString)
	if err != nil {
		return unknown
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return unknown
	}
	return truthOf(re.MatchString(text))
}

func (e *evaluator) binary(s *syntax.Stmt, c *syntax.BinaryCmd) truth {
	if c.Op != syntax.AndStmt && c.Op != syntax.OrStmt {
		return e.notRun(s)
	}
	// A chain of && leans to the left and may be long.
	left := e.stmts([]*syntax.Stmt{c.X})
	switch {
	case left == unknown:
		e.maybe([]*syntax.Stmt{c.Y}, "it is set under a condition that is only known when the script runs")
		return unknown
	case (left == yes) == (c.Op == syntax.AndStmt):
		return e.stmts([]*syntax.Stmt{c.Y})
	default:
		return left
	}
}

// call looks at a command that the evaluator knows, and notes any other.
func (e *evaluator) call(s *syntax.Stmt, c *syntax.CallExpr) truth {
	switch name := c.Args[0].Lit(); name {
	case "true":
		return yes
	case "false":
		return no
	case "echo", "set", "shopt", "umask":
		return yes
	case "exit", "return":
		e.ended = true
		return unknown
	case ":":
		e.defaults(c.Args[1:])
		return yes
	case "unset":
		for _, w := range c.Args[1:] {
			delete(e.vars, w.Lit())
		}
		return yes
	case "[", "test":
		words, why := e.fields(c.Args[1:])
		if why != "" {
			return unknown
		}
		if name == "[" && len(words) > 0 {
			words = words[:len(words)-1]
		}
		t := classicTest{args: words}
		return t.whole()
	default:
		return e.notRun(s)
	}
}

// defaults carries out : ${X:=value}.
func (e *evaluator) defaults(words []*syntax.Word) {
	for _, w := range words {
		parts := w.Parts
		if q, ok := parts[0].(*syntax.DblQuoted); ok && len(parts) == 1 {
			parts = q.Parts
		}
		for _, part := range parts {
			p, ok := part.(*syntax.ParamExp)
			if !ok || p.Param == nil || p.Exp == nil || p.Index != nil ||
				p.Exp.Op != syntax.AssignUnset && p.Exp.Op != syntax.AssignUnsetOrNull {
				continue
			}
			name := p.Param.Value
			before, set := e.vars[name]
			if set && (p.Exp.Op == syntax.AssignUnset || !before.known() || before.text != "" || len(before.list) > 0) {
				continue
			}
			v := variable{name: name, source: e.source(p), line: int(p.Pos().Line())}
			if v.text, v.why = e.literal(p.Exp.Word); v.size() > maxValue {
				v.text, v.why = "", "it is too long"
			}
			e.set(v)
		}
	}
}

// test evaluates what stands in [[ ]].
func (e *evaluator) test(x syntax.TestExpr) truth {
	if e.depth++; e.depth > maxDepth {
		e.depth--
		return unknown
	}
	defer func() { e.depth-- }()
	switch x := x.(type) {
	case *syntax.Word:
		text, why := e.literal(x)
		if why != "" {
			return unknown
		}
		return truthOf(text != "")
	case *syntax.ParenTest:
		return e.test(x.X)
	case *syntax.UnaryTest:
		return e.unaryTest(x)
	case *syntax.BinaryTest:
		return e.binaryTest(x)
	}
	return unknown
}

func (e *evaluator) unaryTest(x *syntax.UnaryTest) truth {
	if x.Op == syntax.TsNot {
		return e.test(x.X).not()
	}
	w, ok := x.X.(*syntax.Word)
	if !ok {
		return unknown
	}
	text, why := e.literal(w)
	if why != "" {
		return unknown
	}
	return unary(x.Op.String(), text)
}

func (e *evaluator) binaryTest(x *syntax.BinaryTest) truth {
	switch x.Op {
	case syntax.AndTest:
		return both(e.test(x.X), e.test(x.Y))
	case syntax.OrTest:
		return both(e.test(x.X).not(), e.test(x.Y).not()).not()
	default:
		return e.compareWords(x)
	}
}

func (e *evaluator) compareWords(x *syntax.BinaryTest) truth {
	left, ok := x.X.(*syntax.Word)
	right, ok2 := x.Y.(*syntax.Word)
	if !ok || !ok2 {
		return unknown
	}
	text, why := e.literal(left)
	if why != "" {
		return unknown
	}
	switch x.Op {
	case syntax.TsMatch, syntax.TsMatchShort:
		return e.match(right, text)
	case syntax.TsNoMatch:
		return e.match(right, text).not()
	default:
		other, why := e.literal(right)
		if why != "" {
			return unknown
		}
		return compare(text, x.Op.String(), other)
	}
}

func both(a, b truth) truth {
	switch {
	case a == no || b == no:
		return no
	case a == unknown || b == unknown:
		return unknown
	default:
		return yes
	}
}

func unary(op, text string) truth {
	switch op {
	case "-z":
		return truthOf(text == "")
	case "-n":
		return truthOf(text != "")
	default: // those about files
		return unknown
	}
}

func compare(a, op, b string) truth {
	switch op {
	case "=", "==":
		return truthOf(a == b)
	case "!=":
		return truthOf(a != b)
	}
	x, err := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	if err != nil || err2 != nil {
		return unknown
	}
	switch op {
	case "-eq":
		return truthOf(x == y)
	case "-ne":
		return truthOf(x != y)
	case "-lt":
		return truthOf(x < y)
	case "-le":
		return truthOf(x <= y)
	case "-gt":
		return truthOf(x > y)
	case "-ge":
		return truthOf(x >= y)
	default:
		return unknown
	}
}

// classicTest evaluates the arguments of [ ].
type classicTest struct{ args []string }

// whole is unknown for what has no sense.
func (t *classicTest) whole() truth {
	if len(t.args) == 0 {
		return no
	}
	if len(t.args) > maxParts {
		return unknown
	}
	result := t.or()
	if len(t.args) > 0 {
		return unknown
	}
	return result
}

func (t *classicTest) next(word string) bool {
	if len(t.args) == 0 || t.args[0] != word {
		return false
	}
	t.args = t.args[1:]
	return true
}

func (t *classicTest) or() truth {
	result := t.and()
	for t.next("-o") {
		result = both(result.not(), t.and().not()).not()
	}
	return result
}

func (t *classicTest) and() truth {
	result := t.one()
	for t.next("-a") {
		result = both(result, t.one())
	}
	return result
}

func (t *classicTest) one() truth {
	if len(t.args) >= 3 {
		if r := compare(t.args[0], t.args[1], t.args[2]); r != unknown {
			t.args = t.args[3:]
			return r
		}
	}
	if len(t.args) > 1 && t.next("!") {
		return t.one().not()
	}
	if len(t.args) >= 2 && len(t.args[0]) == 2 && t.args[0][0] == '-' && t.args[0] != "-a" && t.args[0] != "-o" {
		r := unary(t.args[0], t.args[1])
		t.args = t.args[2:]
		return r
	}
	if len(t.args) == 0 {
		return unknown
	}
	text := t.args[0]
	t.args = t.args[1:]
	return truthOf(text != "")
}
