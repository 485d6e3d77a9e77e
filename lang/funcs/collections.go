package funcs

import (
	"fmt"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// length counts the characters of a text too, as Terraform's does.
func length() function.Function {
	return function.New(&function.Spec{
		Description: "Returns the number of elements of a collection, or of characters of a text.",
		Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
		Type:        function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if args[0].Type() == cty.String {
				return stdlib.Strlen(args[0])
			}
			return stdlib.Length(args[0])
		},
	})
}

// lookup can do without a default and takes null for one, as Terraform's does.
func lookup() function.Function {
	return function.New(&function.Spec{
		Description: "Returns the element with the given key, or the default if the key does not exist.",
		Params: []function.Parameter{
			{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true},
			{Name: "key", Type: cty.String, AllowMarked: true},
		},
		VarParam: &function.Parameter{
			Name: "default", Type: cty.DynamicPseudoType,
			AllowNull: true, AllowMarked: true, AllowDynamicType: true, // a bare null has no type
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := lookedUp(args)
			if err != nil {
				return cty.NilType, err
			}
			if ty := args[0].Type(); ty.IsMapType() {
				if _, err := convert.Convert(v, ty.ElementType()); err != nil {
					return cty.NilType, function.NewArgErrorf(2, "the default must have the type of the map's elements, %s", ty.ElementType().FriendlyName())
				}
				return ty.ElementType(), nil
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			v, err := lookedUp(args)
			if err != nil {
				return cty.NilVal, err
			}
			return convert.Convert(v, ret)
		},
	})
}

// lookedUp does not show the key when it fails, as it may be a secret.
func lookedUp(args []cty.Value) (cty.Value, error) {
	if len(args) > 3 {
		return cty.NilVal, function.NewArgErrorf(3, "lookup takes a map, a key and at most one default")
	}
	collection, marks := args[0].Unmark()
	key, keyMarks := args[1].Unmark()
	if ty := collection.Type(); !ty.IsMapType() && !ty.IsObjectType() {
		return cty.NilVal, function.NewArgErrorf(0, "a map or an object is required, not %s", ty.FriendlyName())
	}
	v, diags := hcl.Index(collection, key, nil)
	switch {
	case !diags.HasErrors():
		return v.WithMarks(marks, keyMarks), nil
	case len(args) == 3:
		return args[2].WithMarks(marks, keyMarks), nil
	}
	return cty.NilVal, function.NewArgErrorf(1, "the key does not exist; give a default: lookup(map, key, default)")
}

// index finds a value, as Terraform's does; cty's function of that name is
// what the brackets do.
func index() function.Function {
	return function.New(&function.Spec{
		Description: "Returns the position of a value in a list, counted from 0.",
		Params: []function.Parameter{
			{Name: "list", Type: cty.DynamicPseudoType},
			{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true},
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			if ty := args[0].Type(); !ty.IsListType() && !ty.IsTupleType() {
				return cty.NilType, function.NewArgErrorf(0, "a list is required, not %s", ty.FriendlyName())
			}
			return cty.Number, nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			n := int64(0)
			for it := args[0].ElementIterator(); it.Next(); n++ {
				_, e := it.Element()
				eq, err := stdlib.Equal(e, args[1])
				switch {
				case err != nil:
					return cty.NilVal, err
				case !eq.IsKnown():
					return cty.UnknownVal(cty.Number), nil
				case eq.True():
					return cty.NumberIntVal(n), nil
				}
			}
			return cty.NilVal, function.NewArgErrorf(1, "the list does not hold the value; ask with contains first")
		},
	})
}

// coalesce passes over empty texts too, as Terraform's does.
func coalesce() function.Function {
	return function.New(&function.Spec{
		Description: "Returns the first argument that is neither null nor an empty text.",
		VarParam: &function.Parameter{
			Name: "values", Type: cty.DynamicPseudoType,
			AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			if len(args) == 0 {
				return cty.NilType, fmt.Errorf("at least one argument is required")
			}
			types := make([]cty.Type, len(args))
			for i, v := range args {
				types[i] = v.Type()
			}
			ty, _ := convert.UnifyUnsafe(types)
			if ty == cty.NilType {
				return cty.NilType, fmt.Errorf("all arguments must have one type; convert them, as tostring does")
			}
			return ty, nil
		},
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			looked := cty.ValueMarks{} // at an argument: that it is empty reveals it
			for _, v := range args {
				v, marks := v.Unmark()
				maps.Copy(looked, marks)
				if v.IsNull() {
					continue
				}
				v, err := convert.Convert(v, ret)
				switch {
				case err != nil:
					return cty.NilVal, err
				case !v.IsKnown():
					return cty.UnknownVal(ret).WithMarks(looked), nil
				case v.RawEquals(cty.StringVal("")):
					continue
				}
				return v.WithMarks(looked), nil
			}
			return cty.NilVal, fmt.Errorf("every argument is null or empty; add one that is not")
		},
	})
}

// one turns a splat over something that may be absent into its value or null.
func one() function.Function {
	return function.New(&function.Spec{
		Description: "Returns the only element of a list, set or tuple, or null if it is empty.",
		Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			ty := args[0].Type()
			switch {
			case ty.IsListType(), ty.IsSetType():
				return ty.ElementType(), nil
			case ty.IsTupleType() && ty.Length() == 0:
				return cty.DynamicPseudoType, nil
			case ty.IsTupleType() && ty.Length() == 1:
				return ty.TupleElementType(0), nil
			case ty.IsTupleType():
				return cty.NilType, errTooMany
			}
			return cty.NilType, function.NewArgErrorf(0, "a list, a set or a tuple is required, not %s", ty.FriendlyName())
		},
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			n := args[0].Length()
			if !n.IsKnown() {
				return cty.UnknownVal(ret), nil
			}
			switch args[0].LengthInt() {
			case 0:
				return cty.NullVal(ret), nil
			case 1:
				it := args[0].ElementIterator()
				it.Next()
				_, e := it.Element()
				return e, nil
			}
			return cty.NilVal, errTooMany
		},
	})
}

var errTooMany = function.NewArgErrorf(0, "there is more than one element; leave out all but one, or take one by its index")

func sum() function.Function {
	return function.New(&function.Spec{
		Description: "Returns the sum of a list or set of numbers. It is 0 for an empty collection.",
		Params:      []function.Parameter{{Name: "numbers", Type: cty.List(cty.Number)}},
		Type:        function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			total := cty.Zero
			for it := args[0].ElementIterator(); it.Next(); {
				_, e := it.Element()
				if e.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "an element is null; remove it")
				}
				var err error
				if total, err = stdlib.Add(total, e); err != nil { // infinity less infinity
					return cty.NilVal, function.NewArgError(0, err)
				}
			}
			return total, nil
		},
	})
}

func allTrue() function.Function {
	return quantifier("Reports whether every element is true. It is true for an empty collection.", false)
}

func anyTrue() function.Function {
	return quantifier("Reports whether any element is true. It is false for an empty collection.", true)
}

// quantifier decides with the first element that is equal to decisive. A null
// counts as false, as with Terraform.
func quantifier(description string, decisive bool) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			unknown := false
			for it := args[0].ElementIterator(); it.Next(); {
				_, e := it.Element()
				switch {
				case !e.IsKnown():
					unknown = true
				case (!e.IsNull() && e.True()) == decisive:
					return cty.BoolVal(decisive), nil
				}
			}
			if unknown {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(!decisive), nil
		},
	})
}
