package lang

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// The files that give values to variables. The first two are read if they
// exist, and after them those that end in the others, in the order of names.
const (
	varsName     = "bkp.bkpvars"
	varsJSONName = "bkp.bkpvars.json"
	varsExt      = ".bkpvars"
	autoExt      = ".auto.bkpvars"
	autoJSONExt  = ".auto.bkpvars.json"
)

// envPrefix begins the names of environment variables that give values.
const envPrefix = "BKP_VAR_"

// Value is a --var or a --var-file of the command line. Later ones go before
// earlier ones, and all of them before files that are found by their names and
// before the environment, as in Terraform.
type Value struct {
	// File is set for --var-file, relative to the working directory.
	File string
	// Name and Text are set for --var.
	Name, Text string
}

// given is a value for a variable, and where it comes from.
type given struct {
	name, from string
	// Either expr, of a file, or text.
	expr hcl.Expression
	text string
}

// gather reads all values that are given, but for those in the environment,
// which nobody can list. Later ones replace earlier ones.
func (l *loader) gather() {
	var all []given
	for _, name := range l.varFiles() {
		all = append(all, l.readVars(name)...)
	}
	for _, v := range l.options.Values {
		if v.File != "" {
			all = append(all, l.readVars(v.File)...)
			continue
		}
		all = append(all, given{name: v.Name, from: "--var", text: v.Text})
	}
	l.given = map[string]given{}
	for _, g := range all {
		l.given[g.name] = g
	}
	l.checkDeclared(all)
}

// varFiles are the files in the folder that are read without being asked for.
func (l *loader) varFiles() []string {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil // reported by readFolder
	}
	var first, auto []string
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.IsDir() || strings.HasPrefix(name, "."):
		case name == varsName || name == varsJSONName:
			first = append(first, filepath.Join(l.dir, name))
		case strings.HasSuffix(name, autoExt), strings.HasSuffix(name, autoJSONExt):
			auto = append(auto, filepath.Join(l.dir, name))
		}
	}
	return append(first, auto...)
}

// readVars reads a file of values. It is kept out of the configuration's
// files, so that no snippet shows what may be a secret.
func (l *loader) readVars(name string) []given {
	text, err := readSource(name)
	if err != nil {
		l.report(problemAt(nil, "Values cannot be read", fmt.Sprintf("%s: %s.", name, cause(err)),
			"Name a file that exists and that you may read."))
		l.valuesMissing = true
		return nil
	}
	p := l.parse(text, name)
	l.report(p.diags...)
	var out []given
	for _, s := range p.sources {
		// What a broken part would have given is not known.
		l.valuesMissing = l.valuesMissing || s.broken
		if s.broken {
			continue
		}
		attrs, diags := s.body.JustAttributes()
		l.report(diags...)
		out = append(out, fromFile(attrs)...)
	}
	return out
}

func fromFile(attrs hcl.Attributes) []given {
	var out []given
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		out = append(out, given{name: name, from: fmt.Sprintf("%s:%d", a.Range.Filename, a.Range.Start.Line), expr: a.Expr})
	}
	return out
}

// checkDeclared reports values for variables that are not declared: an error
// on the command line, a warning in a file, which several folders may share.
// Those in the environment may be meant for another folder.
func (l *loader) checkDeclared(all []given) {
	if l.incomplete || l.hidden[rootVar] {
		return
	}
	var names []string
	for _, v := range l.vertices {
		if v.root == rootVar {
			names = append(names, v.name)
		}
	}
	for _, g := range all {
		if _, ok := l.declared[address(rootVar, "", g.name)]; ok {
			continue
		}
		remedy := didYouMean(g.name, names, fmt.Sprintf("Declare it: variable %q {}.", g.name))
		detail := fmt.Sprintf("%s gives %q a value, but no variable has this name.", g.from, g.name)
		if g.expr == nil {
			l.report(problemAt(nil, "Value for an undeclared variable", detail, remedy))
			continue
		}
		l.report(warningAt(nil, "Value for an undeclared variable", detail, remedy))
	}
}

// find returns the value that counts for a variable.
func (l *loader) find(name string) (given, bool) {
	if g, ok := l.given[name]; ok {
		return g, true
	}
	text, ok := l.options.LookupEnv(envPrefix + name)
	return given{name: name, from: envPrefix + name, text: text}, ok
}

// evaluateGiven returns what was given, before it is converted. A text for a
// variable that is not a simple one is read as an expression.
func (l *loader) evaluateGiven(v *vertex, g given) (cty.Value, bool) {
	if g.expr != nil {
		if v.variable.sensitive {
			l.maskLiterals(g.expr.Range(), true)
		}
		val, diags := g.expr.Value(nil)
		l.report(diags...)
		return val, !diags.HasErrors()
	}
	if v.variable.typ.IsPrimitiveType() || v.variable.typ == cty.DynamicPseudoType {
		return cty.StringVal(g.text), true
	}
	return l.parseGiven(v, g)
}

// parseGiven reads an expression. What is wrong is reported without the text,
// which may be a secret.
func (l *loader) parseGiven(v *vertex, g given) (cty.Value, bool) {
	wrong := problemAt(&v.rng, "Invalid value for a variable",
		fmt.Sprintf("The value from %s is not an expression of the language.", g.from),
		`Write it as in a file, such as ["a", "b"] or { key = "value" }.`)
	if len(g.text) > maxSource || tooDeep([]byte(g.text), g.from) != nil {
		l.report(wrong)
		return cty.NilVal, false
	}
	expr, diags := hclsyntax.ParseExpression([]byte(g.text), g.from, hcl.InitialPos)
	if diags.HasErrors() {
		l.report(wrong)
		return cty.NilVal, false
	}
	val, diags := expr.Value(nil)
	if diags.HasErrors() {
		l.report(wrong)
		return cty.NilVal, false
	}
	return val, true
}
