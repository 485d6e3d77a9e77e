package funcs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"bkp/lang/funcs"
)

// calls has one call of every function that succeeds, as its arguments.
var calls = map[string][]string{
	"abs":             {`-1`},
	"alltrue":         {`[true, true]`},
	"anytrue":         {`[false, true]`},
	"base64decode":    {`"YQ=="`},
	"base64encode":    {`"a"`},
	"basename":        {`"/a/b"`},
	"can":             {`upper("a")`},
	"ceil":            {`1.5`},
	"chomp":           {`"a\n"`},
	"chunklist":       {`["a", "b"]`, `1`},
	"coalesce":        {`"a"`, `"b"`},
	"coalescelist":    {`["a"]`, `["b"]`},
	"compact":         {`["a", ""]`},
	"concat":          {`["a"]`, `["b"]`},
	"contains":        {`["a"]`, `"a"`},
	"csvdecode":       {`"a,b\n1,2\n"`},
	"dirname":         {`"/a/b"`},
	"distinct":        {`["a", "a"]`},
	"element":         {`["a", "b"]`, `1`},
	"endswith":        {`"ab"`, `"b"`},
	"env":             {`"SET"`, `"b"`},
	"file":            {`"pw.txt"`},
	"flatten":         {`[["a"], ["b"]]`},
	"floor":           {`1.5`},
	"format":          {`"%s"`, `"a"`},
	"formatdate":      {`"YYYY"`, `"2026-01-02T03:04:05Z"`},
	"formatlist":      {`"%s"`, `["a"]`},
	"indent":          {`2`, `"a\nb"`},
	"index":           {`["a", "b"]`, `"b"`},
	"issensitive":     {`"a"`},
	"join":            {`"-"`, `["a", "b"]`},
	"jsondecode":      {`"[1]"`},
	"jsonencode":      {`{ a = 1 }`},
	"keys":            {`{ a = 1 }`},
	"length":          {`["a"]`},
	"log":             {`8`, `2`},
	"lookup":          {`{ a = "b" }`, `"a"`, `"c"`},
	"lower":           {`"A"`},
	"max":             {`1`, `2`},
	"merge":           {`{ a = 1 }`, `{ b = 2 }`},
	"min":             {`1`, `2`},
	"nonsensitive":    {`"a"`},
	"one":             {`["a"]`},
	"parseint":        {`"ff"`, `16`},
	"pow":             {`2`, `3`},
	"properties":      {`"utf8.properties"`},
	"range":           {`1`, `3`},
	"regex":           {`"[a-z]"`, `"1a"`},
	"regexall":        {`"[a-z]"`, `"1a2b"`},
	"replace":         {`"a.b"`, `"."`, `"-"`},
	"reverse":         {`["a", "b"]`},
	"sensitive":       {`"a"`},
	"setintersection": {`["a", "b"]`, `["b"]`},
	"setproduct":      {`["a"]`, `["b"]`},
	"setsubtract":     {`["a", "b"]`, `["b"]`},
	"setunion":        {`["a"]`, `["b"]`},
	"sha256":          {`"a"`},
	"signum":          {`-2`},
	"slice":           {`["a", "b"]`, `0`, `1`},
	"sort":            {`["b", "a"]`},
	"split":           {`","`, `"a,b"`},
	"startswith":      {`"ab"`, `"a"`},
	"strcontains":     {`"ab"`, `"b"`},
	"strrev":          {`"ab"`},
	"substr":          {`"ab"`, `0`, `1`},
	"sum":             {`[1, 2]`},
	"templatefile":    {`"greet.tpl"`, `{ name = "x", hosts = ["a", "b"] }`},
	"timeadd":         {`"2026-01-02T03:04:05Z"`, `"1h"`},
	"title":           {`"a"`},
	"tobool":          {`"true"`},
	"tolist":          {`["a"]`},
	"tomap":           {`{ a = "b" }`},
	"tonumber":        {`"1"`},
	"toset":           {`["a"]`},
	"tostring":        {`1`},
	"trim":            {`"-a-"`, `"-"`},
	"trimprefix":      {`"ab"`, `"a"`},
	"trimspace":       {`" a "`},
	"trimsuffix":      {`"ab"`, `"b"`},
	"try":             {`"a"`, `"b"`},
	"upper":           {`"a"`},
	"values":          {`{ a = 1 }`},
	"zipmap":          {`["a"]`, `[1]`},
}

// silent arguments reveal nothing by the result, so that their mark may go:
// those that are not looked at, and what Terraform lets be asked of a secret.
var silent = map[string]string{
	"can(0)":          "only whether it can be evaluated, as Terraform's",
	"coalesce(1)":     "not looked at: the first is not null",
	"issensitive(0)":  "the mark is what is asked for",
	"lookup(2)":       "not looked at: the key is there",
	"nonsensitive(0)": "taking the mark away is what it is for",
	"try(1)":          "not looked at: the first can be evaluated",
}

// silentInside is the same for marks on the elements of an argument alone.
var silentInside = map[string]string{
	"keys(0)": "a map's keys are not its elements",
}

// TestMarks: a function that loses a mark is a leak. Every argument of every
// function is marked in turn, as a whole and in its elements.
func TestMarks(t *testing.T) {
	t.Parallel()
	s := source(t)
	for _, d := range funcs.List() {
		args, ok := calls[d.Name]
		if !ok {
			t.Errorf("%s has no call here: add one", d.Name)
			continue
		}
		for i := range args {
			for _, mark := range []funcs.Mark{funcs.Sensitive, funcs.External} {
				name := fmt.Sprintf("%s(%d)", d.Name, i)
				excused := silent[name] != ""
				if mark == funcs.External && strings.HasPrefix(name, "nonsensitive") {
					excused = false
				}
				checkMark(t, s, d.Name, args, i, mark, func(v cty.Value) cty.Value { return v.Mark(mark) }, excused)
				excused = excused || silentInside[name] != ""
				checkMark(t, s, d.Name, args, i, mark, func(v cty.Value) cty.Value { return inside(v, mark) }, excused)
			}
		}
	}
}

func checkMark(t *testing.T, s funcs.Source, name string, args []string, i int, mark funcs.Mark, put func(cty.Value) cty.Value, excused bool) {
	t.Helper()
	v, diags := eval(t, s, args[i])
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	v, _ = v.UnmarkDeep()
	v = put(v)
	args = slices.Clone(args)
	args[i] = "marked"
	text := name + "(" + strings.Join(args, ", ") + ")"
	expr, diags := hclsyntax.ParseExpression([]byte(text), "test", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	got, diags := expr.Value(&hcl.EvalContext{Functions: funcs.Table(s), Variables: map[string]cty.Value{"marked": v}})
	if diags.HasErrors() {
		t.Errorf("%s with %#v: %v", text, v, diags)
		return
	}
	if funcs.Has(got, mark) == excused {
		t.Errorf("%s with %#v: %#v", text, v, got)
	}
}

// inside puts the mark on the elements of a collection.
func inside(v cty.Value, mark funcs.Mark) cty.Value {
	ty := v.Type()
	if !ty.IsTupleType() && !ty.IsObjectType() {
		return v.Mark(mark)
	}
	out, err := cty.Transform(v, func(p cty.Path, v cty.Value) (cty.Value, error) {
		if len(p) == 0 {
			return v, nil
		}
		return v.Mark(mark), nil
	})
	if err != nil {
		panic(err)
	}
	return out
}

func TestList(t *testing.T) {
	t.Parallel()
	table := funcs.Table(funcs.Source{})
	list := funcs.List()
	if len(list) != len(table) {
		t.Errorf("%d functions are documented, there are %d", len(list), len(table))
	}
	for _, d := range list {
		if _, ok := table[d.Name]; !ok {
			t.Errorf("%s is documented, but does not exist", d.Name)
		}
		if !strings.HasSuffix(d.Description, ".") || strings.ContainsAny(d.Description, "\n\\") || d.Group == "" {
			t.Errorf("%s is not described by one sentence: %q", d.Name, d.Description)
		}
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	want := []string{
		"can(expression expression) bool",
		"contains(list any, value any) bool",
		"env(name string, default string...) string",
		"length(value any) number",
		"lookup(map any, key string, default any...) any",
		"properties(path string) map(string)",
		"tolist(v any) list(any)",
		"try(expressions expression...) any",
	}
	var got []string
	for _, d := range funcs.List() {
		if slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(w, d.Name+"(") }) {
			got = append(got, d.Signature)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %s", strings.Join(got, "\n"))
	}
}

// TestUnknown: an unknown value decides only what it cannot
// change any more.
func TestUnknown(t *testing.T) {
	t.Parallel()
	vars := map[string]cty.Value{"text": cty.UnknownVal(cty.String), "truth": cty.UnknownVal(cty.Bool), "number": cty.UnknownVal(cty.Number), "any": cty.DynamicVal}
	for text, want := range map[string]cty.Value{
		`alltrue([true, truth])`:       cty.UnknownVal(cty.Bool),
		`alltrue([truth, false])`:      cty.False,
		`anytrue([false, truth])`:      cty.UnknownVal(cty.Bool),
		`anytrue([truth, true])`:       cty.True,
		`coalesce(text, "a")`:          cty.UnknownVal(cty.String),
		`coalesce("a", text)`:          cty.StringVal("a"),
		`index(["a", text], "a")`:      cty.NumberIntVal(0),
		`index([text, "a"], "a")`:      cty.UnknownVal(cty.Number),
		`issensitive(text)`:            cty.UnknownVal(cty.Bool),
		`issensitive(sensitive(text))`: cty.True,
		`lookup({ a = text }, "a")`:    cty.UnknownVal(cty.String),
		`lookup({ a = "b" }, text)`:    cty.DynamicVal,
		`lookup(any, "a", "b")`:        cty.DynamicVal,
		`one([text])`:                  cty.UnknownVal(cty.String),
		`one(any)`:                     cty.DynamicVal,
		`startswith(text, "a")`:        cty.UnknownVal(cty.Bool),
		`sum([1, number])`:             cty.UnknownVal(cty.Number),
		`length(any)`:                  cty.UnknownVal(cty.Number),
	} {
		expr, diags := hclsyntax.ParseExpression([]byte(text), "test", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		got, diags := expr.Value(&hcl.EvalContext{Functions: funcs.Table(funcs.Source{}), Variables: vars})
		// How far cty narrows an unknown value is its own affair.
		if diags.HasErrors() || got.IsKnown() != want.IsKnown() || got.IsKnown() && !got.RawEquals(want) || !got.Type().Equals(want.Type()) {
			t.Errorf("%s: %#v, want %#v; %v", text, got, want, diags)
		}
	}
}
