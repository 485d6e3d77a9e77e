package lang

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"bkp/lang/funcs"
)

// maxWork bounds what all expressions of a configuration make together, in the
// bytes that funcs.Size counts. A folder of 10,000 instances needs a tenth.
const maxWork = 64 << 20

// budget is what is left of maxWork.
type budget struct{ left int }

// spend pays for a value. It returns a diagnostic for the value with which the
// budget ends, or for one that is too large by itself, and after that false
// alone: one is enough.
func (b *budget) spend(v cty.Value, at hcl.Range) (*hcl.Diagnostic, bool) {
	if b.left <= 0 {
		return nil, false
	}
	size, err := funcs.Size(v)
	if err != nil {
		b.left = 0
		return tooLarge(at, err.Error()), false
	}
	if b.left -= size; b.left <= 0 {
		return tooLarge(at, fmt.Sprintf("all values of the configuration together take more than %d MiB", maxWork>>20)), false
	}
	return nil, true
}

func tooLarge(at hcl.Range, why string) *hcl.Diagnostic {
	return problemAt(&at, "Value is too large", "The evaluation was stopped here: "+why+".",
		"Make it smaller; a for expression within another one multiplies, and so does a local that refers to another one twice.")
}

// metered is an expression whose values are paid for from a budget. It stands
// where values can multiply: in loops, in parts of templates, in operands and
// in arguments of functions.
type metered struct {
	hclsyntax.Expression
	budget *budget
	// plain values alone are paid for: others are shared, and counted where
	// they are copied.
	plain bool
}

func (m *metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if m.budget.left <= 0 {
		return cty.DynamicVal, nil
	}
	v, diags := m.Expression.Value(ctx)
	if diags.HasErrors() {
		return v, diags
	}
	if m.plain && !v.Type().IsPrimitiveType() {
		return m.list(v, diags)
	}
	d, ok := m.budget.spend(v, m.Range())
	if d != nil {
		diags = append(diags, d)
	}
	if !ok {
		return cty.DynamicVal, diags
	}
	return v, diags
}

// list makes long arguments quick to convert.
func (m *metered) list(v cty.Value, diags hcl.Diagnostics) (cty.Value, hcl.Diagnostics) {
	const long = 100
	if !v.Type().IsTupleType() || v.Type().Length() < long {
		return v, diags
	}
	v, quick := funcs.AsList(v)
	if !quick {
		m.budget.left = 0
		return cty.DynamicVal, append(diags, tooLarge(m.Range(), fmt.Sprintf("a list has more than %d elements that are no simple values of one type", funcs.MaxMixed)))
	}
	return v, diags
}

// meter makes the parts of an expression pay. Within JSON, that can be done
// for what stands in a single text, as loops do.
func (l *loader) meter(e hcl.Expression) hcl.Expression {
	native, ok := e.(hclsyntax.Expression)
	if !ok {
		native, ok = l.template(e)
	}
	if !ok {
		return e
	}
	l.meterNative(native)
	return native
}

func (l *loader) meterNative(e hclsyntax.Expression) {
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		l.meterParts(n)
		return nil
	})
}

func (l *loader) meterParts(n hclsyntax.Node) {
	pay := func(e *hclsyntax.Expression, plain bool) {
		if _, literal := (*e).(*hclsyntax.LiteralValueExpr); *e != nil && !literal {
			// The parentheses show their inside to what looks for references.
			inner := &hclsyntax.ParenthesesExpr{Expression: *e, SrcRange: (*e).Range()}
			*e = &metered{inner, &l.budget, plain}
		}
	}
	switch n := n.(type) {
	case *hclsyntax.ForExpr:
		pay(&n.ValExpr, false)
		pay(&n.KeyExpr, true)
		pay(&n.CondExpr, true)
	case *hclsyntax.TemplateExpr:
		for i := range n.Parts {
			pay(&n.Parts[i], true)
		}
	case *hclsyntax.BinaryOpExpr:
		pay(&n.LHS, true)
		pay(&n.RHS, true)
	case *hclsyntax.ParenthesesExpr:
		pay(&n.Expression, true)
	case *hclsyntax.IndexExpr:
		pay(&n.Key, true)
	case *hclsyntax.TupleConsExpr:
		for i := range n.Exprs {
			pay(&n.Exprs[i], true)
		}
	case *hclsyntax.ObjectConsExpr:
		for i := range n.Items {
			pay(&n.Items[i].ValueExpr, true)
		}
	case *hclsyntax.FunctionCallExpr:
		for i := range n.Args {
			pay(&n.Args[i], true)
		}
	}
}

// template parses the text of a JSON expression, as the library does whenever
// it evaluates one.
func (l *loader) template(e hcl.Expression) (hclsyntax.Expression, bool) {
	var text string
	at := e.Range()
	source := l.sourceAt(at)
	if !strings.ContainsAny(source, "$%") || json.Unmarshal([]byte(source), &text) != nil {
		return nil, false
	}
	start := at.Start
	start.Byte++
	start.Column++
	expr, diags := hclsyntax.ParseTemplate([]byte(text), at.Filename, start)
	return expr, !diags.HasErrors()
}
