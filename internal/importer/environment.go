package importer

import (
	"regexp"

	"mvdan.cc/sh/v3/syntax"

	"bkp/internal/hcldoc"
)

// outside says why a value is not known that the environment has.
const outside = "it comes from the environment of the scripts"

// fromEnvironment reports whether a variable is made of itself, as in X=${X} and
// X=${X:-default}, and nothing before has set it: its value is the environment's.
func (e *evaluator) fromEnvironment(w *syntax.Word, v *variable) bool {
	p := alone(w)
	if _, set := e.vars[v.name]; set || p == nil || p.Param == nil || p.Param.Value != v.name {
		return false
	}
	if p.Excl || p.Length || p.Width || p.Index != nil || p.Slice != nil || p.Repl != nil {
		return false
	}
	v.env = v.name
	if p.Exp == nil {
		v.why = outside
		return true
	}
	switch p.Exp.Op {
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.AssignUnset, syntax.AssignUnsetOrNull:
		v.text, v.why = e.literal(p.Exp.Word)
	default: // ${X:?message} and the like
		v.why = outside
	}
	if v.why == "" && v.text == "" {
		v.why = outside // ${X:-} is no default
	}
	return true
}

// alone is the variable that a word consists of, or nil.
func alone(w *syntax.Word) *syntax.ParamExp {
	if w == nil || len(w.Parts) != 1 {
		return nil
	}
	part := w.Parts[0]
	if q, ok := part.(*syntax.DblQuoted); ok && len(q.Parts) == 1 {
		part = q.Parts[0]
	}
	p, _ := part.(*syntax.ParamExp)
	return p
}

// exported takes note of an export without a value: what is not set by then comes
// from the environment.
func (e *evaluator) exported(a *syntax.Assign) {
	name := a.Name.Value
	if _, set := e.vars[name]; set || !e.setting(name) {
		return
	}
	e.set(variable{name: name, env: name, why: outside, source: e.source(a), line: int(a.Pos().Line())})
}

// fromOutside is the reason in the report for a value of the environment.
func fromOutside(v variable) string {
	if v.known() {
		return "read from the environment where bkp runs, with the script's default"
	}
	return "read from the environment where bkp runs: set the environment variable " + v.env
}

// environment is an expression that reads a value where the script did. One without a
// default has to be set, which a check sees to.
func (c *converter) environment(v variable, text string) string {
	if v.known() {
		return "env(" + hcldoc.Quote(v.env) + ", " + hcldoc.Quote(text) + ")"
	}
	c.mustBeSet(v.env)
	return c.needs(v.env)
}

// mustBeSet adds a check that an environment variable is not empty.
func (c *converter) mustBeSet(name string) {
	for _, had := range c.outside {
		if had == name {
			return
		}
	}
	c.outside = append(c.outside, name)
}

// writeOutside writes the checks of mustBeSet.
func (c *converter) writeOutside(d *hcldoc.Doc) {
	if len(c.outside) == 0 {
		return
	}
	d.Comment("The script took these from its environment, so bkp does, too.")
	for _, name := range c.outside {
		d.Open("check", "environment_"+name)
		d.Open("assert")
		d.Attr("condition", "env("+hcldoc.Quote(name)+", \"\") != \"\"", "")
		d.Attr("error_message", hcldoc.Quote("The environment variable "+name+" is empty where bkp runs."), "")
		d.Close()
		d.Close()
		d.Blank()
	}
}

var (
	erb   = regexp.MustCompile(`<%[=#-]?[^%]*%>`)
	jinja = regexp.MustCompile(`(?m)=\s*["']?[^\s"'#]*\{\{[^{}]+\}\}|^\s*\{%-?\s*\w+`)
)

// templateOf names the language of a template that makes settings, "" for a script.
func templateOf(src []byte) string {
	switch {
	case erb.Match(src):
		return "ERB, as Chef and Puppet have them"
	case jinja.Match(src):
		return "Jinja, as Ansible and Salt have them"
	default:
		return ""
	}
}
