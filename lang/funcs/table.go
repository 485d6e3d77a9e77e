package funcs

import (
	"maps"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Source is where the functions that read the surroundings read from.
type Source struct {
	// Dir is the folder to which paths are relative.
	Dir string
	// LookupEnv finds an environment variable.
	LookupEnv func(string) (string, bool)
	// Observe receives every value that came from outside, which may be a
	// secret.
	Observe func(cty.Value)
	// Offline makes what is not there unknown instead of an error.
	Offline bool
	// TooDeep reports a template that the parser must not see, because its
	// nesting would overflow the stack.
	TooDeep func(text []byte) bool
	// Meter bounds what the expression of a template may make.
	Meter func(hclsyntax.Expression)
}

// group is what the reference shows under one heading.
type group struct {
	title     string
	functions map[string]function.Function
}

func groups(s Source) []group {
	return []group{
		{"Outside the configuration", s.outside()},
		{"Collections", collections()},
		{"Text", texts()},
		{"Numbers", numbers()},
		{"Encoding", encodings()},
		{"Dates", dates()},
		{"Types, failure and secrets", conversions()},
	}
}

// Table returns every function by its name.
func Table(s Source) map[string]function.Function {
	table := map[string]function.Function{}
	for _, g := range groups(s) {
		maps.Copy(table, g.functions)
	}
	bound(table)
	return table
}

func (s Source) outside() map[string]function.Function {
	return map[string]function.Function{
		"env":          s.env(),
		"file":         s.file(),
		"properties":   s.properties(),
		"templatefile": s.templatefile(),
	}
}

func collections() map[string]function.Function {
	return map[string]function.Function{
		"alltrue":         allTrue(),
		"anytrue":         anyTrue(),
		"chunklist":       stdlib.ChunklistFunc,
		"coalesce":        coalesce(),
		"coalescelist":    stdlib.CoalesceListFunc,
		"compact":         stdlib.CompactFunc,
		"concat":          stdlib.ConcatFunc,
		"contains":        stdlib.ContainsFunc,
		"distinct":        stdlib.DistinctFunc,
		"element":         stdlib.ElementFunc,
		"flatten":         stdlib.FlattenFunc,
		"index":           index(),
		"keys":            stdlib.KeysFunc,
		"length":          length(),
		"lookup":          lookup(),
		"merge":           stdlib.MergeFunc,
		"one":             one(),
		"range":           stdlib.RangeFunc,
		"reverse":         stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setproduct":      stdlib.SetProductFunc,
		"setsubtract":     stdlib.SetSubtractFunc,
		"setunion":        stdlib.SetUnionFunc,
		"slice":           stdlib.SliceFunc,
		"sort":            stdlib.SortFunc,
		"sum":             sum(),
		"values":          stdlib.ValuesFunc,
		"zipmap":          stdlib.ZipmapFunc,
	}
}

func texts() map[string]function.Function {
	return map[string]function.Function{
		"basename":    baseName(),
		"chomp":       stdlib.ChompFunc,
		"dirname":     dirName(),
		"endswith":    endsWith(),
		"format":      describe(stdlib.FormatFunc, "Puts its arguments in the place of verbs such as %s and %d in the format."),
		"formatlist":  describe(stdlib.FormatListFunc, "Formats each element of the lists among its arguments, and returns the list of the results."),
		"indent":      stdlib.IndentFunc,
		"join":        stdlib.JoinFunc,
		"lower":       stdlib.LowerFunc,
		"regex":       stdlib.RegexFunc,
		"regexall":    stdlib.RegexAllFunc,
		"replace":     replace(),
		"split":       stdlib.SplitFunc,
		"startswith":  startsWith(),
		"strcontains": strContains(),
		"strrev":      stdlib.ReverseFunc,
		"substr":      stdlib.SubstrFunc,
		"title":       stdlib.TitleFunc,
		"trim":        stdlib.TrimFunc,
		"trimprefix":  stdlib.TrimPrefixFunc,
		"trimspace":   stdlib.TrimSpaceFunc,
		"trimsuffix":  describe(stdlib.TrimSuffixFunc, "Removes the given suffix from the end of the given string, if present."),
		"upper":       stdlib.UpperFunc,
	}
}

func numbers() map[string]function.Function {
	return map[string]function.Function{
		"abs":      stdlib.AbsoluteFunc,
		"ceil":     stdlib.CeilFunc,
		"floor":    stdlib.FloorFunc,
		"log":      stdlib.LogFunc,
		"max":      stdlib.MaxFunc,
		"min":      stdlib.MinFunc,
		"parseint": stdlib.ParseIntFunc,
		"pow":      stdlib.PowFunc,
		"signum":   stdlib.SignumFunc,
	}
}

func encodings() map[string]function.Function {
	return map[string]function.Function{
		"base64decode": base64Decode(),
		"base64encode": base64Encode(),
		"csvdecode":    describe(stdlib.CSVDecodeFunc, "Parses the given string as comma-separated values (RFC 4180) and returns a list of objects, whose attributes the first row names."),
		"jsondecode":   stdlib.JSONDecodeFunc,
		"jsonencode":   stdlib.JSONEncodeFunc,
		"sha256":       sha256Hex(),
	}
}

func dates() map[string]function.Function {
	return map[string]function.Function{
		"formatdate": stdlib.FormatDateFunc,
		"timeadd":    stdlib.TimeAddFunc,
	}
}

func conversions() map[string]function.Function {
	return map[string]function.Function{
		"can":          describe(tryfunc.CanFunc, "Reports whether the expression can be evaluated without an error."),
		"issensitive":  isSensitive(),
		"nonsensitive": nonSensitive(),
		"sensitive":    sensitive(),
		"tobool":       stdlib.MakeToFunc(cty.Bool),
		"tolist":       uniform(describe(stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), "Converts the given value to a list, or raises an error if that conversion is impossible.")),
		"tomap":        describe(stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)), "Converts the given value to a map, or raises an error if that conversion is impossible."),
		"tonumber":     stdlib.MakeToFunc(cty.Number),
		"toset":        uniform(describe(stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), "Converts the given value to a set, or raises an error if that conversion is impossible.")),
		"tostring":     stdlib.MakeToFunc(cty.String),
		"try":          describe(tryfunc.TryFunc, "Returns the value of the first expression that can be evaluated without an error."),
	}
}

// describe gives a function of a library the description that it lacks, or
// that is wrong there.
func describe(f function.Function, text string) function.Function {
	return f.WithNewDescriptions(text, make([]string, len(f.Params())))
}
