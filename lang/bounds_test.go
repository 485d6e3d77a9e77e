package lang_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"bkp/lang"
)

// doubling makes a value of 2^n elements by n locals.
func doubling(n int, first, next string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "locals {\n  a0 = %s\n", first)
	for i := range n {
		fmt.Fprintf(&b, "  a%d = %s\n", i+1, strings.ReplaceAll(next, "LAST", fmt.Sprintf("local.a%d", i)))
	}
	return b.String() + "}\n"
}

// loops nests for expressions.
func loops(n int, inner string) string {
	return strings.Repeat("[for x in range(1024) : ", n) + inner + strings.Repeat("]", n)
}

// TestBounds has small configurations of large values. Each gives one
// diagnostic, and the evaluation goes on.
func TestBounds(t *testing.T) {
	t.Parallel()
	local := func(expr string) string { return "locals {\n  a = " + expr + "\n}\n" }
	const large, result, deep = "Value is too large", "result would take more", "Value is too large"
	for name, tt := range map[string]struct{ text, want string }{
		"texts doubled":     {doubling(40, `"xxxxxxxx"`, `"${LAST}${LAST}"`), large},
		"lists doubled":     {doubling(60, `["x"]`, `[LAST, LAST]`), large},
		"concat doubled":    {doubling(60, `["x"]`, `concat(LAST, LAST)`), large},
		"joined":            {doubling(60, `"x"`, `join(LAST, ["a", "b", "c"])`), large},
		"nested lists":      {doubling(1000, `"x"`, `[LAST]`), deep},
		"loops":             {local(loops(5, "x")), large},
		"loops of nothing":  {local(strings.Repeat("[for x in range(1024) : 1 if length(", 5) + "[]" + strings.Repeat(") > 0]", 5)), large},
		"loop in template":  {local(`"` + strings.Repeat("%{ for x in range(1024) }", 5) + "x" + strings.Repeat("%{ endfor }", 5) + `"`), large},
		"text in a loop":    {doubling(22, `"xxxx"`, `"${LAST}${LAST}"`) + local(`[for x in range(1024) : upper(local.a22)]`), large},
		"many references":   {doubling(22, `"xxxx"`, `"${LAST}${LAST}"`) + local(`"`+strings.Repeat("${local.a22}", 1000)+`"`), large},
		"width":             {local(`format("%999999999d", 1)`), result},
		"precision":         {local(`format("%.999999999f", 1)`), result},
		"widths":            {local(`formatlist("%9999999d", range(1000))`), result},
		"arguments":         {doubling(18, `"xxxx"`, `"${LAST}${LAST}"`) + local(`format("`+strings.Repeat("%[1]s", 100)+`", local.a18)`), result},
		"indent":            {local(`indent(1000000000, "a\nb")`), result},
		"product":           {local(`setproduct(range(1024), range(1024), range(1024))`), result},
		"replacements":      {doubling(20, `"x"`, `"${LAST}${LAST}"`) + local(`replace(local.a15, "", local.a15)`), result},
		"regular":           {doubling(20, `"x"`, `"${LAST}${LAST}"`) + local(`replace(local.a15, "/x/", local.a15)`), result},
		"factors":           {local(`"${` + strings.Repeat("1e999*", 100) + `1}"`), large},
		"squares":           {doubling(60, "1e900", "LAST * LAST"), large},
		"number from text":  {local(`tostring(tonumber("1e99999999"))`), large},
		"number from JSON":  {local(`jsonencode(jsondecode("[1e99999999]"))`), "more than a thousand digits"},
		"number in a list":  {local(`join(",", ["1e99999999" + 0])`), large},
		"number as a key":   {local(`{ ("1e99999999" + 0) = 1 }`), large},
		"sum of a text":     {local(`"${"1e99999999" + 0}"`), large},
		"long number":       {local(`parseint("` + strings.Repeat("9", 5000) + `", 10)`), large},
		"JSON":              {local(`jsondecode("` + strings.Repeat("[", 300_000) + `")`), "nests more than 200 deep"},
		"each instance":     {doubling(16, `["x"]`, `concat(LAST, LAST)`) + "home \"mirror\" \"many\" {\n  for_each = { for n in range(1000) : \"k${n}\" => n }\n  path = \"/x\"\n  data_stores = local.a16\n}\n", large},
		"values of a check": {doubling(16, `["x"]`, `concat(LAST, LAST)`) + "check \"c\" {\n  assert {\n    condition = length([for n in range(1000) : local.a16]) > 0\n    error_message = \"x\"\n  }\n}\n", large},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, diags := lang.Load(write(t, map[string]string{"main.bkp.hcl": small + tt.text}), options())
			bounded(t, diags, tt.want)
		})
	}
}

func bounded(t *testing.T, diags hcl.Diagnostics, want string) {
	t.Helper()
	if len(diags) != 1 || !strings.Contains(diags.Error(), want) {
		t.Errorf("got %.400s, want one diagnostic that says %q", diags.Error(), want)
	}
	for _, d := range diags {
		checkRemedy(t, t.Name(), d)
	}
}

// TestBoundsElsewhere has the same in JSON and in a template.
func TestBoundsElsewhere(t *testing.T) {
	t.Parallel()
	loop := loops(5, "x")
	for name, files := range map[string]map[string]string{
		"JSON":     {"b.bkp.hcl.json": `{"locals": {"a": "${` + loop + `}"}}`},
		"template": {"b.bkp.hcl": "locals {\n  a = templatefile(\"x.tmpl\", {})\n}\n", "x.tmpl": "${jsonencode(" + loop + ")}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files["main.bkp.hcl"] = small
			_, diags := lang.Load(write(t, files), options())
			bounded(t, diags, "too large")
		})
	}
}

// TestWithinBounds has what is large and must be taken.
func TestWithinBounds(t *testing.T) {
	t.Parallel()
	mustLoad(t, small+`locals {
  many     = [for a in range(300) : [for b in range(300) : a * b]]
  flat     = distinct(flatten(local.many))
  unique   = distinct([for n in range(1024) : "x${n % 10}"])
  product  = setproduct(range(100), range(100))
  width    = format("%-40s|%08.3f", "x", 3.14159)
  numbers  = [1e999, -1e900, 1e-999, pow(2, 200)]
  text     = join(",", formatlist("%s=%d", ["a", "b"], [1, 2]))
  decoded  = jsondecode("{\"a\": [[[1]]]}").a[0][0][0]
  replaced = replace("a.b.c", "/\\./", "-")
}
check "a" {
  assert {
    condition     = length(local.unique) == 10 && local.replaced == "a-b-c" && length(local.product) == 10000
    error_message = "x"
  }
}
`)
}
