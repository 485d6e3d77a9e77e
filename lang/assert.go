package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"bkp/lang/funcs"
)

// assertion is a rule that somebody wrote: a validation of a variable, or an
// assert of a check.
type assertion struct {
	rng hcl.Range
	// prefix of the names of its arguments in the vertex.
	prefix  string
	warning bool
}

const (
	conditionName    = "condition"
	errorMessageName = "error_message"
	severityName     = "severity"
)

// verdict is what became of an assertion.
type verdict struct {
	// known is false when the condition rests on something that has errors.
	known, holds bool
	// open: offline, the condition rests on what is out of reach.
	open    bool
	message string
}

// declareAssertion reads the block and adds its arguments to those of the
// vertex, so that they are linked and ordered like any other.
func (l *loader) declareAssertion(v *vertex, b *hcl.Block, body Block) {
	content, fits := l.content(b, body, "A block "+b.Type)
	good := true
	a := assertion{rng: b.DefRange, prefix: fmt.Sprintf("%s[%d].", b.Type, len(v.assertions))}
	for _, name := range []string{conditionName, errorMessageName} {
		attr, ok := content.Attributes[name]
		if !ok {
			if fits {
				l.report(problemAt(&b.DefRange, "Missing attribute", fmt.Sprintf("The block %s has no %s.", b.Type, name), assertionRemedy[name]))
			}
			good = false
			continue
		}
		v.args[a.prefix+name] = newArgument(attr)
	}
	if attr, ok := content.Attributes[severityName]; ok {
		a.warning = l.isWarning(attr)
	}
	if good {
		v.assertions = append(v.assertions, a)
	}
}

var assertionRemedy = map[string]string{
	conditionName:    "Add an expression that is true when the rule holds.",
	errorMessageName: "Add a sentence that says what is wrong and what to do.",
}

func (l *loader) isWarning(attr *hcl.Attribute) bool {
	val, ok := l.constant(attr, cty.String)
	if !ok || val.AsString() == "error" {
		return false
	}
	if val.AsString() == "warning" {
		return true
	}
	l.report(problemAt(attr.Expr.Range().Ptr(), "Wrong value for an attribute",
		fmt.Sprintf("The severity %q does not exist.", val.AsString()), `Write "error" or "warning".`))
	return false
}

// judge evaluates an assertion.
func (l *loader) judge(v *vertex, a assertion, each map[string]cty.Value) verdict {
	condition := v.args[a.prefix+conditionName]
	val := l.value(condition, each)
	if !val.IsKnown() {
		return verdict{open: l.outOfReach(val)}
	}
	val, _ = val.UnmarkDeep()
	at := condition.expr.Range().Ptr()
	val, err := convert.Convert(val, cty.Bool)
	if err != nil || val.IsNull() {
		remedy := "Compare something, as in length(var.name) > 0."
		if strings.HasSuffix(at.Filename, ".json") {
			remedy += ` In JSON, an expression stands in "${…}".`
		}
		l.report(problemAt(at, "Invalid condition", "A condition is true or false, and this one is neither.", remedy))
		return verdict{}
	}
	if !val.IsKnown() {
		return verdict{}
	}
	message, ok := l.errorMessage(v.args[a.prefix+errorMessageName], each)
	return verdict{known: ok, holds: val.True(), message: message}
}

// errorMessage is evaluated even if the condition holds: a mistake in it must
// not wait for the night when it does not.
func (l *loader) errorMessage(a *argument, each map[string]cty.Value) (string, bool) {
	val := l.value(a, each)
	if !val.IsKnown() {
		return "", false
	}
	at := a.expr.Range().Ptr()
	if funcs.Has(val, funcs.Sensitive) || funcs.Has(val, funcs.External) {
		l.report(problemAt(at, "Invalid error message", "It holds a value that is sensitive or comes from outside, which it would show.",
			"Name the thing instead of its value."))
		return "", false
	}
	val, err := convert.Convert(val, cty.String)
	if err != nil || val.IsNull() || !val.IsKnown() || val.AsString() == "" {
		l.report(problemAt(at, "Invalid error message", "An error message is a text.", assertionRemedy[errorMessageName]))
		return "", false
	}
	return val.AsString(), true
}
