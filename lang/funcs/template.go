package funcs

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// templatefile renders a file as a template, as Terraform's does. A template
// may call every function but templatefile, so that none includes itself.
func (s Source) templatefile() function.Function {
	render := func(path string, vars cty.Value) (cty.Value, error) {
		text, err := s.read(path)
		if err != nil && s.Offline {
			return cty.DynamicVal, nil
		}
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		if !utf8.Valid(text) {
			return cty.NilVal, function.NewArgErrorf(0, "%s is not UTF-8 text; convert it, or name another file", path)
		}
		return s.render(text, path, vars)
	}
	return function.New(&function.Spec{
		Description: "Returns the text of a file, rendered as a template with the given values.",
		Params: []function.Parameter{
			{Name: "path", Type: cty.String},
			{Name: "vars", Type: cty.DynamicPseudoType},
		},
		// A template may hold a single value of any type, such as ${list}.
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			v, err := render(args[0].AsString(), args[1])
			return v.Type(), err
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := render(args[0].AsString(), args[1])
			if err != nil {
				return cty.NilVal, err
			}
			return s.external(v), nil
		},
	})
}

func (s Source) render(text []byte, path string, vars cty.Value) (cty.Value, error) {
	ty := vars.Type()
	if vars.IsNull() || !ty.IsObjectType() && !ty.IsMapType() {
		return cty.NilVal, function.NewArgErrorf(1, `the values are given as an object, such as { name = "value" }`)
	}
	if s.TooDeep != nil && s.TooDeep(text) {
		return cty.NilVal, function.NewArgErrorf(0, "the template %s is nested too deep; split it", path)
	}
	expr, diags := hclsyntax.ParseTemplate(text, path, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, inTemplate(diags)
	}
	values := vars.AsValueMap()
	for _, t := range expr.Variables() {
		if _, ok := values[t.RootName()]; !ok {
			return cty.NilVal, function.NewArgErrorf(1, "the template %s:%d needs a value for %q; add it to the values", path, t.SourceRange().Start.Line, t.RootName())
		}
	}
	if s.Meter != nil {
		s.Meter(expr)
	}
	table := Table(s)
	delete(table, "templatefile")
	v, diags := expr.Value(&hcl.EvalContext{Variables: values, Functions: table})
	if diags.HasErrors() {
		return cty.NilVal, inTemplate(diags)
	}
	return v, nil
}

// inTemplate reports an error within the template as one of the argument.
func inTemplate(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError && d.Subject != nil {
			return function.NewArgError(0, fmt.Errorf("%s:%d: %s: %s", d.Subject.Filename, d.Subject.Start.Line, d.Summary, strings.TrimSuffix(d.Detail, ".")))
		}
	}
	return function.NewArgError(0, errors.New(diags.Error()))
}
