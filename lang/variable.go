package lang

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"bkp/lang/funcs"
)

// envPrefix begins the names of environment variables that give values.
const envPrefix = "BKP_VAR_"

// variable is what a variable block says.
type variable struct {
	typ      cty.Type
	defaults *typeexpr.Defaults
	// fallback is the default, NilVal if there is none.
	fallback            cty.Value
	sensitive, nullable bool
}

var variableSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "nullable"},
}}

func (l *loader) declareVariable(b block) {
	v := &vertex{root: rootVar, name: b.Labels[0], rng: b.DefRange, broken: b.broken}
	v.variable = &variable{typ: cty.DynamicPseudoType, nullable: true, fallback: cty.NilVal}
	if !b.broken {
		named := l.goodName(v.name, b.LabelRanges[0])
		decoded := l.decodeVariable(b, v.variable)
		v.broken = !named || !decoded
	}
	l.add(v)
}

// decodeVariable reads the block. Its attributes are constants, so that a
// variable depends on nothing.
func (l *loader) decodeVariable(b block, v *variable) bool {
	content, good := l.content(b.Block, variableSchema, "A variable block")
	attrs := content.Attributes
	if a, ok := attrs["type"]; ok {
		var diags hcl.Diagnostics
		v.typ, v.defaults, diags = typeexpr.TypeConstraintWithDefaults(a.Expr)
		l.report(diags...)
		if diags.HasErrors() {
			// A default would not fit a type that is not known.
			return false
		}
	}
	if a, ok := attrs["description"]; ok {
		_, ok = l.constant(a, cty.String)
		good = good && ok
	}
	for name, to := range map[string]*bool{"sensitive": &v.sensitive, "nullable": &v.nullable} {
		if a, ok := attrs[name]; ok {
			val, ok := l.constant(a, cty.Bool)
			good = good && ok
			if ok {
				*to = val.True()
			}
		}
	}
	if a, ok := attrs["default"]; ok {
		val, diags := a.Expr.Value(nil)
		l.report(diags...)
		if diags.HasErrors() {
			return false
		}
		fallback, d := v.convert(val, a.Expr.Range().Ptr(), "The default", "Change the default or the type.")
		if d != nil {
			l.report(d)
			return false
		}
		v.fallback = fallback
	}
	return good
}

// constant evaluates an attribute that may refer to nothing.
func (l *loader) constant(a *hcl.Attribute, ty cty.Type) (cty.Value, bool) {
	val, diags := a.Expr.Value(nil)
	l.report(diags...)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	val, err := convert.Convert(val, ty)
	if err != nil || val.IsNull() || !val.IsKnown() {
		l.report(problemAt(a.Expr.Range().Ptr(), "Wrong value for an attribute",
			fmt.Sprintf("The value of %q does not fit: a %s is required.", a.Name, ty.FriendlyName()), "Give a "+ty.FriendlyName()+"."))
		return cty.NilVal, false
	}
	return val, true
}

func (v *variable) convert(val cty.Value, at *hcl.Range, what, remedy string) (cty.Value, *hcl.Diagnostic) {
	if val.IsNull() && !v.nullable {
		return cty.NilVal, problemAt(at, "Invalid value for a variable", what+" is null, and the variable is not nullable.", remedy)
	}
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	out, err := converted(val, v.typ)
	if err != nil {
		return cty.NilVal, problemAt(at, "Invalid value for a variable", fmt.Sprintf("%s does not fit the type: %v.", what, err), remedy)
	}
	return out, nil
}

// variableValue is the value given, or the default. --var goes before the
// environment.
func (l *loader) variableValue(v *vertex) cty.Value {
	if v.broken {
		return cty.DynamicVal
	}
	val, ok := l.given(v)
	if !ok {
		return cty.DynamicVal
	}
	if v.variable.sensitive {
		l.remember(val)
		val = val.Mark(funcs.Sensitive)
	}
	return val
}

func (l *loader) given(v *vertex) (cty.Value, bool) {
	from := "--var"
	text, ok := l.options.Vars[v.name]
	if !ok {
		from = envPrefix + v.name
		text, ok = l.options.LookupEnv(from)
	}
	if !ok {
		if v.variable.fallback == cty.NilVal {
			l.report(problemAt(&v.rng, "Variable has no value", fmt.Sprintf("Nothing gives %s a value, and it has no default.", v.address()),
				fmt.Sprintf("Give one with --var %s=… or the environment variable %s%s, or add a default.", v.name, envPrefix, v.name)))
			return cty.NilVal, false
		}
		return v.variable.fallback, true
	}
	val := cty.StringVal(text)
	if !v.variable.typ.IsPrimitiveType() && v.variable.typ != cty.DynamicPseudoType {
		var good bool
		if val, good = l.parseGiven(v, from, text); !good {
			return cty.NilVal, false
		}
	}
	val, d := v.variable.convert(val, &v.rng, "The value from "+from, "Give one that fits the variable's type.")
	if d != nil {
		l.report(d)
		return cty.NilVal, false
	}
	return val, true
}

// parseGiven reads the value of a variable that is not a simple one. What is
// wrong is told without the text, which may be a secret.
func (l *loader) parseGiven(v *vertex, from, text string) (cty.Value, bool) {
	wrong := problemAt(&v.rng, "Invalid value for a variable",
		fmt.Sprintf("The value from %s is not an expression of the language.", from),
		`Write it as in a file, such as ["a", "b"] or { key = "value" }.`)
	if len(text) > maxSource || tooDeep([]byte(text), from) != nil {
		l.report(wrong)
		return cty.NilVal, false
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), from, hcl.InitialPos)
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

// checkVars refuses values for variables that are not declared. Those in the
// environment may be meant for another folder.
func (l *loader) checkVars() {
	if l.incomplete || l.hidden[rootVar] {
		return
	}
	var names []string
	for _, v := range l.vertices {
		if v.root == rootVar {
			names = append(names, v.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.options.Vars)) {
		if _, ok := l.declared[address(rootVar, "", name)]; !ok {
			l.report(problemAt(nil, "Value for an undeclared variable", fmt.Sprintf("--var gives %q a value, but no variable is called so.", name),
				didYouMean(name, names, fmt.Sprintf("Declare it: variable %q {}.", name))))
		}
	}
}
