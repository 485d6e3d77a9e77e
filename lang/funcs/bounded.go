package funcs

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// bounded functions could make a large value of small arguments. Each has an
// estimate of the bytes that its result would take, which is refused before it
// is made. Arguments may be unknown or null.
var bounded = map[string]func(args []cty.Value) float64{
	"concat":     func(args []cty.Value) float64 { return elementSize * sumOf(args, lengthOf) },
	"format":     formatSize,
	"formatlist": func(args []cty.Value) float64 { return formatSize(args) * max(1, maxOf(args[1:], listLength)) },
	"indent":     func(args []cty.Value) float64 { return textLength(args[1]) + number(args[0])*count(args[1], "\n") },
	"join":       func(args []cty.Value) float64 { return (textLength(args[0]) + 1) * sumOf(args[1:], lengthOf) },
	"replace":    replaceSize,
	"setproduct": setProductSize,
}

// bound adds the estimates to the functions of a table.
func bound(table map[string]function.Function) {
	for name, estimate := range bounded {
		table[name] = refuseAbove(table[name], func(args []cty.Value) error {
			if estimate(args) > MaxSize {
				return errResult
			}
			return nil
		})
	}
	table["jsondecode"] = checkResult(refuseAbove(table["jsondecode"], jsonTooDeep))
	table["distinct"] = distinct()
}

var errResult = function.NewArgErrorf(0, "the result would take more than %d MiB; give smaller arguments", MaxSize>>20)

// refuseAbove calls f only if check has no error.
func refuseAbove(f function.Function, check func(args []cty.Value) error) function.Function {
	checked := func(args []cty.Value) error {
		plain := make([]cty.Value, len(args))
		for i, a := range args {
			plain[i], _ = a.UnmarkDeep()
		}
		return check(plain)
	}
	return function.New(&function.Spec{
		Description: f.Description(),
		Params:      f.Params(),
		VarParam:    f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := checked(args); err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// checkResult refuses what f makes if it is no value that Size takes.
func checkResult(f function.Function) function.Function {
	return function.New(&function.Spec{
		Description: f.Description(),
		Params:      f.Params(),
		VarParam:    f.VarParam(),
		Type:        func(args []cty.Value) (cty.Type, error) { return f.ReturnTypeForValues(args) },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err != nil {
				return v, err
			}
			if _, err := Size(v); err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%w; give a smaller text", err)
			}
			return v, nil
		},
	})
}

func lengthOf(v cty.Value) float64 {
	if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		return 0
	}
	return float64(v.LengthInt())
}

// listLength is the length of a list that formatlist goes through.
func listLength(v cty.Value) float64 {
	if ty := v.Type(); ty.IsListType() || ty.IsTupleType() || ty.IsSetType() {
		return lengthOf(v)
	}
	return 1
}

func textLength(v cty.Value) float64 {
	if v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
		return 0
	}
	return float64(len(v.AsString()))
}

func number(v cty.Value) float64 {
	if v.Type() != cty.Number || !v.IsKnown() || v.IsNull() {
		return 0
	}
	f, _ := v.AsBigFloat().Float64()
	return max(f, 0)
}

func count(v cty.Value, part string) float64 {
	if textLength(v) == 0 {
		return 0
	}
	return float64(strings.Count(v.AsString(), part))
}

func sumOf(args []cty.Value, of func(cty.Value) float64) float64 {
	total := 0.0
	for _, a := range args {
		total += of(a)
	}
	return total
}

func maxOf(args []cty.Value, of func(cty.Value) float64) float64 {
	most := 0.0
	for _, a := range args {
		most = max(most, of(a))
	}
	return most
}

// verb is a verb of a format, with its width and precision.
var verb = regexp.MustCompile(`%[^a-zA-Z%]*`)

var digits = regexp.MustCompile(`[0-9]+`)

func formatSize(args []cty.Value) float64 {
	if textLength(args[0]) == 0 {
		return 0
	}
	total := textLength(args[0])
	longest := maxOf(args[1:], sizeOf)
	for _, v := range verb.FindAllString(args[0].AsString(), -1) {
		total += longest
		for _, n := range digits.FindAllString(v, -1) {
			width, err := strconv.ParseFloat(n, 64)
			if err != nil {
				return math.Inf(1)
			}
			total += width
		}
	}
	return total
}

func sizeOf(v cty.Value) float64 {
	n, err := Size(v)
	if err != nil {
		return math.Inf(1)
	}
	return float64(n)
}

func replaceSize(args []cty.Value) float64 {
	if textLength(args[0]) == 0 || args[1].IsNull() || !args[1].IsKnown() {
		return 0
	}
	text, old := args[0].AsString(), args[1].AsString()
	found := count(args[0], old)
	again := 0.0
	if pattern, ok := betweenSlashes(old); ok {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return 0 // reported by the function itself
		}
		found = float64(len(re.FindAllStringIndex(text, -1)))
		again = count(args[2], "$")
	}
	return float64(len(text))*(1+again) + found*textLength(args[2])
}

func setProductSize(args []cty.Value) float64 {
	n := 1.0
	for _, a := range args {
		n *= lengthOf(a)
	}
	return n * elementSize * float64(len(args)+1)
}

// jsonTooDeep refuses a text that nests deeper than values may: the decoder
// recurses without bound.
func jsonTooDeep(args []cty.Value) error {
	if textLength(args[0]) == 0 {
		return nil
	}
	depth, quoted, escaped := 0, false, false
	for _, c := range []byte(args[0].AsString()) {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped = c == '\\'
			quoted = c != '"'
		case c == '"':
			quoted = true
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		}
		if depth > MaxDepth {
			return function.NewArgErrorf(0, "the text nests more than %d deep; flatten it", MaxDepth)
		}
	}
	if !json.Valid([]byte(args[0].AsString())) {
		return function.NewArgErrorf(0, "the text is not JSON; check its brackets, quotes and commas")
	}
	return nil
}

// distinct spares a tuple the conversion, as uniform does, and compares by
// hash where cty compares each with each.
func distinct() function.Function {
	return function.New(&function.Spec{
		Description: stdlib.DistinctFunc.Description(),
		Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			list, err := toList(args[0])
			return list.Type(), err
		},
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			list, err := toList(args[0])
			if err != nil || list.LengthInt() == 0 {
				return list, err
			}
			if !list.IsWhollyKnown() {
				return cty.UnknownVal(ret), nil
			}
			seen := cty.NewValueSet(ret.ElementType())
			var out []cty.Value
			for it := list.ElementIterator(); it.Next(); {
				if _, e := it.Element(); !seen.Has(e) {
					seen.Add(e)
					out = append(out, e)
				}
			}
			return cty.ListVal(out), nil
		},
	})
}

func toList(v cty.Value) (cty.Value, error) {
	list, err := convert.Convert(asList(v), cty.List(cty.DynamicPseudoType))
	if err != nil {
		return cty.NullVal(cty.DynamicPseudoType), function.NewArgErrorf(0, "a list is required whose elements have one type; choose among them with a for expression")
	}
	return list, nil
}
