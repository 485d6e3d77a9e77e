package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"bkp/lang/funcs"
)

// variable is what a variable block says.
type variable struct {
	typ      cty.Type
	defaults *typeexpr.Defaults
	// fallback is the default, NilVal if it has none.
	fallback            cty.Value
	fallbackAt          hcl.Range
	sensitive, nullable bool
}

var variableBody = variableBlock()

func (l *loader) declareVariable(b block) {
	v := &vertex{root: rootVar, name: b.Labels[0], rng: b.DefRange, broken: b.broken}
	v.variable = &variable{typ: cty.DynamicPseudoType, nullable: true, fallback: cty.NilVal}
	if !b.broken {
		named := l.goodName(v.name, b.LabelRanges[0])
		decoded := l.decodeVariable(b, v.variable)
		v.broken = !named || !decoded
	}
	l.add(v)
	if !b.broken {
		l.declareValidations(b, v)
	}
}

// decodeVariable reads the block. Its attributes are constants, so that a
// variable depends on nothing.
func (l *loader) decodeVariable(b block, v *variable) bool {
	content, diags := b.Body.Content(variableBody.body())
	// Something else that does not fit leaves the value as it is.
	good := len(l.unsupported(diags, variableBody, "A variable block")) == 0
	l.report(diags...)
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
		v.fallbackAt = a.Expr.Range()
		if v.sensitive {
			l.maskLiterals(v.fallbackAt, true)
		}
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
	given := val
	val, err := convert.Convert(val, ty)
	if err != nil || val.IsNull() || !val.IsKnown() {
		l.report(problemAt(a.Expr.Range().Ptr(), "Wrong value for an attribute",
			fmt.Sprintf("The value of %q does not fit: it is %s.", a.Name, described(given)), valueRemedy(a.Name, ty.FriendlyName())))
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

// variableValue is the value given, or the default.
func (l *loader) variableValue(v *vertex) cty.Value {
	if v.broken || l.declared[v.address()] != v {
		return cty.DynamicVal
	}
	val, ok := l.chosen(v)
	if !ok {
		return cty.DynamicVal
	}
	if v.variable.sensitive {
		l.remember(val)
		val = val.Mark(funcs.Sensitive)
	}
	return val
}

func (l *loader) chosen(v *vertex) (cty.Value, bool) {
	g, ok := l.find(v.name)
	if !ok {
		if v.variable.fallback == cty.NilVal && l.options.Offline && (v.variable.sensitive || l.options.Unset) {
			return cty.UnknownVal(v.variable.typ).Mark(funcs.External), true
		}
		if v.variable.fallback == cty.NilVal {
			l.noValue(v)
			return cty.NilVal, false
		}
		return v.variable.fallback, true
	}
	val, ok := l.evaluateGiven(v, g)
	if !ok {
		return cty.NilVal, false
	}
	if val.IsNull() && !v.variable.nullable && v.variable.fallback != cty.NilVal {
		// As in Terraform: null means the default where it cannot mean null.
		return v.variable.fallback, true
	}
	val, d := v.variable.convert(val, &v.rng, "The value from "+g.from, "Give one that fits the variable's type.")
	if d != nil {
		l.report(d)
		return cty.NilVal, false
	}
	return val, true
}

func (l *loader) noValue(v *vertex) {
	if l.valuesMissing {
		return // it may have stood in a file that could not be read
	}
	l.report(problemAt(&v.rng, "Variable has no value", fmt.Sprintf("Nothing gives %s a value, and it has no default.", v.address()),
		fmt.Sprintf("Give one with --var %s=…, in %s or with the environment variable %s%s, or add a default.", v.name, varsName, envPrefix, v.name)))
}
