package funcs

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// uniform spares a conversion to a list or a set the search for a type that
// fits all elements, if they have one already. cty compares every element with
// every other, so that a tuple of 10,000, as a for makes it, takes seconds.
func uniform(f function.Function) function.Function {
	spec := f.Params()[0]
	return function.New(&function.Spec{
		Description: f.Description(),
		Params:      []function.Parameter{spec},
		Type: func(args []cty.Value) (cty.Type, error) {
			return f.ReturnTypeForValues([]cty.Value{asList(args[0])})
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return f.Call([]cty.Value{asList(args[0])})
		},
	})
}

func asList(v cty.Value) cty.Value {
	v, _ = AsList(v)
	return v
}

// MaxMixed is how many elements of different types are taken, because a
// conversion compares each with each.
const MaxMixed = 20_000

// AsList makes a list of a tuple whose elements have one simple type, and
// reports whether a conversion of v is quick.
func AsList(v cty.Value) (cty.Value, bool) {
	if v.IsMarked() || !v.Type().IsTupleType() || v.IsNull() || !v.IsKnown() || v.LengthInt() == 0 {
		return v, true
	}
	types := v.Type().TupleElementTypes()
	for _, ty := range types {
		if !ty.Equals(types[0]) || !ty.IsPrimitiveType() {
			return v, len(types) <= MaxMixed
		}
	}
	return cty.ListVal(v.AsValueSlice()), true
}
