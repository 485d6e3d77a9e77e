package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"bkp/internal/secret"
	"bkp/lang/funcs"
)

// consoleName is where diagnostics say that an expression stands. No block can have
// this name.
const consoleName = "(expression)"

// hiddenValue stands for what is sensitive.
const hiddenValue = "(sensitive)"

// Evaluate returns the value of an expression as the configuration would write it. As
// in a check, blocks are objects with the attributes that they resolved to. What is
// sensitive is not shown, and neither are the secrets of the configuration.
func Evaluate(dir string, o Options, expression string) (string, *Config, hcl.Diagnostics) {
	source := []byte(expression)
	expr, diags := hclsyntax.ParseExpression(source, consoleName, hcl.InitialPos)
	if diags.HasErrors() {
		return "", &Config{Dir: dir, files: map[string]*hcl.File{consoleName: {Bytes: source}}}, tidy(diags)
	}
	value := cty.DynamicVal
	o.asked, o.answer = expr, func(v cty.Value) { value = v }
	c, diags := Load(dir, o)
	if c.files == nil {
		c.files = map[string]*hcl.File{}
	}
	c.files[consoleName] = &hcl.File{Bytes: source}
	if diags.HasErrors() {
		return "", c, diags
	}
	var b strings.Builder
	showValue(&b, value, "")
	return secret.Redact(b.String(), c.Secrets()...), c, diags
}

// ask declares the expression of Options, if there is one: it sees what a check sees.
func (l *loader) ask() *vertex {
	if l.options.asked == nil {
		return nil
	}
	a := &argument{expr: l.options.asked, rng: l.options.asked.Range(), objects: true}
	v := &vertex{root: rootCheck, name: consoleName, rng: a.rng, args: map[string]*argument{"": a}}
	l.add(v)
	return v
}

// showValue writes a value as the language does.
func showValue(b *strings.Builder, v cty.Value, indent string) {
	sensitive := v.HasMark(funcs.Sensitive)
	v, _ = v.Unmark()
	ty := v.Type()
	switch {
	case sensitive:
		b.WriteString(hiddenValue)
	case !v.IsKnown():
		b.WriteString(Elsewhere)
	case v.IsNull():
		b.WriteString("null")
	case ty == targetType:
		b.WriteString(v.EncapsulatedValue().(*target).address)
	case ty.IsPrimitiveType():
		b.Write(hclwrite.TokensForValue(v).Bytes())
	case ty.IsObjectType() || ty.IsMapType():
		fields := v.AsValueMap()
		showAll(b, indent, "{", "}", func(yield func(string, cty.Value) bool) {
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				if !yield(keyOf(name)+" = ", fields[name]) {
					return
				}
			}
		})
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		showAll(b, indent, "[", "]", func(yield func(string, cty.Value) bool) {
			for _, e := range v.AsValueSlice() {
				if !yield("", e) {
					return
				}
			}
		})
	default:
		_, _ = fmt.Fprintf(b, "(%s)", ty.FriendlyName())
	}
}

func showAll(b *strings.Builder, indent, open, end string, elements func(func(string, cty.Value) bool)) {
	b.WriteString(open)
	none := true
	for name, e := range elements {
		b.WriteString("\n" + indent + "  " + name)
		showValue(b, e, indent+"  ")
		if end == "]" {
			b.WriteString(",")
		}
		none = false
	}
	if !none {
		b.WriteString("\n" + indent)
	}
	b.WriteString(end)
}

// keyOf is a key as it is written.
func keyOf(name string) string {
	if hclsyntax.ValidIdentifier(name) {
		return name
	}
	return string(hclwrite.TokensForValue(cty.StringVal(name)).Bytes())
}
