package funcs

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Doc says how a function is called.
type Doc struct {
	Name string `json:"name"`
	// Signature is such as env(name string, default string...) string.
	Signature   string `json:"signature"`
	Description string `json:"description"`
	// Group is the heading under which the reference shows it.
	Group string `json:"group"`
}

// List documents every function of Table, by group and name.
func List() []Doc {
	var out []Doc
	for _, g := range groups(Source{}) {
		for _, name := range slices.Sorted(maps.Keys(g.functions)) {
			f := g.functions[name]
			out = append(out, Doc{Name: name, Signature: name + Signature(f), Description: f.Description(), Group: g.title})
		}
	}
	return out
}

// Signature is what stands after the name of a function: its parameters and
// what it returns.
func Signature(f function.Function) string {
	var params []string
	for _, p := range f.Params() {
		params = append(params, p.Name+" "+typeName(p.Type))
	}
	if p := f.VarParam(); p != nil {
		params = append(params, p.Name+" "+typeName(p.Type)+"...")
	}
	return "(" + strings.Join(params, ", ") + ") " + typeName(returnType(f))
}

func typeName(ty cty.Type) string {
	if ty == customdecode.ExpressionClosureType {
		return "expression"
	}
	return typeexpr.TypeString(ty)
}

// probes stand for the arguments that may be of any type.
var probes = []cty.Type{
	cty.String, cty.Number, cty.List(cty.String), cty.List(cty.Number), cty.Set(cty.Number), cty.Map(cty.String),
	cty.Object(map[string]cty.Type{"a": cty.String, "b": cty.Number}), cty.Tuple([]cty.Type{cty.String, cty.Number}),
}

// returnType finds the type that a function returns whatever its arguments
// are, by trying; one that depends on them is any.
func returnType(f function.Function) cty.Type {
	args := [][]cty.Type{nil}
	params := f.Params()
	if p := f.VarParam(); p != nil {
		params = append(params, *p)
	}
	for _, p := range params {
		types := []cty.Type{p.Type}
		if p.Type == cty.DynamicPseudoType {
			types = probes
		}
		var longer [][]cty.Type
		for _, before := range args {
			for _, ty := range types {
				longer = append(longer, append(slices.Clone(before), ty))
			}
		}
		args = longer
	}
	found := cty.NilType
	for _, a := range args {
		ty, err := f.ReturnType(a)
		switch {
		case err != nil: // these arguments do not go together
		case found != cty.NilType && !ty.Equals(found):
			return cty.DynamicPseudoType
		default:
			found = ty
		}
	}
	if found == cty.NilType {
		return cty.DynamicPseudoType
	}
	return found
}
