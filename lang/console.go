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
	printer{&b, c.Secrets()}.value(value, "")
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

// printer writes values as the language does. Secrets are hidden before they are quoted:
// afterwards one with a quotation mark would not be found.
type printer struct {
	b       *strings.Builder
	secrets []secret.String
}

func (w printer) value(v cty.Value, indent string) {
	sensitive := v.HasMark(funcs.Sensitive)
	v, _ = v.Unmark()
	ty := v.Type()
	switch {
	case sensitive:
		w.b.WriteString(hiddenValue)
	case !v.IsKnown():
		w.b.WriteString(Elsewhere)
	case v.IsNull():
		w.b.WriteString("null")
	case ty == targetType:
		w.b.WriteString(v.EncapsulatedValue().(*target).address)
	case ty == cty.String:
		w.b.WriteString(w.quoted(v.AsString()))
	case ty.IsPrimitiveType():
		w.b.Write(hclwrite.TokensForValue(v).Bytes())
	case ty.IsObjectType() || ty.IsMapType():
		fields := v.AsValueMap()
		w.all(indent, "{", "}", func(yield func(string, cty.Value) bool) {
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				if !yield(w.key(name)+" = ", fields[name]) {
					return
				}
			}
		})
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		w.all(indent, "[", "]", func(yield func(string, cty.Value) bool) {
			for _, e := range v.AsValueSlice() {
				if !yield("", e) {
					return
				}
			}
		})
	default:
		_, _ = fmt.Fprintf(w.b, "(%s)", ty.FriendlyName())
	}
}

func (w printer) all(indent, open, end string, elements func(func(string, cty.Value) bool)) {
	w.b.WriteString(open)
	none := true
	for name, e := range elements {
		w.b.WriteString("\n" + indent + "  " + name)
		w.value(e, indent+"  ")
		if end == "]" {
			w.b.WriteString(",")
		}
		none = false
	}
	if !none {
		w.b.WriteString("\n" + indent)
	}
	w.b.WriteString(end)
}

// key is a key as it is written.
func (w printer) key(name string) string {
	if hclsyntax.ValidIdentifier(name) {
		return name
	}
	return w.quoted(name)
}

func (w printer) quoted(text string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(secret.Redact(text, w.secrets...))).Bytes())
}
