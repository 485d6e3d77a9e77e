package funcs

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Mark is put on values whose origin matters to the language. Marks follow a
// value through every expression.
type Mark string

const (
	// Sensitive values come from sensitive variables and from the function
	// sensitive. They may flow only into attributes that hold secrets.
	Sensitive Mark = "sensitive"
	// External values come from outside the configuration: env, file,
	// properties. They may flow anywhere, but since they may be secrets, no
	// diagnostic shows them; and an attribute that holds a secret takes them
	// without a warning.
	External Mark = "external"
)

// Has reports whether v or anything in it carries the mark.
func Has(v cty.Value, m Mark) bool {
	_, marks := v.UnmarkDeep()
	_, ok := marks[m]
	return ok
}

// anyValue is a parameter that takes whatever there is, marks included.
var anyValue = function.Parameter{
	Name: "value", Type: cty.DynamicPseudoType,
	AllowNull: true, AllowUnknown: true, AllowMarked: true, AllowDynamicType: true,
}

func sensitive() function.Function {
	return function.New(&function.Spec{
		Description: "Marks a value so that only attributes that hold secrets take it.",
		Params:      []function.Parameter{anyValue},
		Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl:        func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(Sensitive), nil },
	})
}

// nonSensitive leaves External where it is: whether a value came from outside
// is no judgement that anybody could revoke.
func nonSensitive() function.Function {
	return function.New(&function.Spec{
		Description: "Returns a sensitive value without its mark, so that any attribute takes it: for what is derived from a secret and does not reveal it.",
		Params:      []function.Parameter{anyValue},
		Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, marks := args[0].Unmark()
			delete(marks, Sensitive)
			return v.WithMarks(marks), nil
		},
	})
}

func isSensitive() function.Function {
	return function.New(&function.Spec{
		Description: "Reports whether a value is marked as sensitive.",
		Params:      []function.Parameter{anyValue},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if args[0].HasMark(Sensitive) {
				return cty.True, nil
			}
			if !args[0].IsKnown() { // it may get a mark yet
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.False, nil
		},
	})
}
