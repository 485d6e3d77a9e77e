package lang

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"bkp/internal/suggest"
	"bkp/lang/funcs"
)

// remedied is the Extra of a diagnostic that has a remedy.
type remedied struct {
	remedy string
	extra  any
}

// UnwrapDiagnosticExtra lets hcl find what it put there itself.
func (r remedied) UnwrapDiagnosticExtra() any { return r.extra }

// Remedy returns what a diagnostic advises: the end of its detail.
func Remedy(d *hcl.Diagnostic) string {
	if r, ok := d.Extra.(remedied); ok {
		return r.remedy
	}
	return ""
}

// setDetail puts detail and remedy together.
func setDetail(d *hcl.Diagnostic, detail, remedy string) {
	d.Detail = sentences(detail, remedy)
	d.Extra = remedied{remedy: remedy, extra: d.Extra}
}

// advise adds the remedy to diagnostics of the hcl library that have none.
func (g *grammar) advise(diags hcl.Diagnostics) {
	for _, d := range diags {
		if Remedy(d) != "" {
			continue
		}
		if detail, remedy := g.remedyFor(d); remedy != "" {
			setDetail(d, detail, remedy)
		}
	}
}

// remedyFor returns the detail, often reworded, and what to do.
func (g *grammar) remedyFor(d *hcl.Diagnostic) (detail, remedy string) {
	detail = typesInWords(d.Detail)
	if text, ok := shorter[d.Summary]; ok {
		return text, advice[d.Summary]
	}
	switch d.Summary {
	case "Argument or block definition required", "Variables not allowed":
		detail, _, _ = strings.Cut(detail, " To set an argument")
		if d.Subject != nil && !IsSource(filepath.Base(d.Subject.Filename)) {
			return detail, "Write NAME = VALUE, with texts in quotes."
		}
	case "Attribute redefined":
		detail, _, _ = strings.Cut(detail, " Each argument")
	case "Duplicate object key":
		detail, _, _ = strings.Cut(detail, " If duplicates")
	case "Inconsistent conditional result types":
		if strings.Contains(detail, "length") {
			return detail, "Put tolist(…) around both, so that their lengths may differ."
		}
	case "Call to unknown function":
		return unknownFunction(d)
	case "Error in function call", "Invalid function argument", "Not enough function arguments", "Too many function arguments":
		return failedCall(d)
	case "Unsupported attribute", "Missing map element":
		return attributeAdvice(d)
	case "Invalid index":
		return detail, indexAdvice(d)
	case "Invalid operand", "Operation failed":
		return detail, operandAdvice(detail)
	case "Invalid type specification":
		return typeAdvice(d)
	case "Invalid character":
		detail, _, _ = strings.Cut(detail, ". ")
		return strings.TrimSuffix(detail, ".") + ".", characterAdvice(detail)
	case "Incorrect JSON value type", "Missing block label":
		return g.jsonShapeAdvice(d)
	}
	if label, remedy := g.labelAdvice(d.Summary); remedy != "" {
		return label, remedy
	}
	if strings.HasPrefix(d.Summary, "Unexpected ") && strings.HasSuffix(d.Summary, " block") {
		return detail, "Write NAME = VALUE here; blocks belong in files whose names end in " + nativeExt + ", and not into locals."
	}
	if strings.HasPrefix(d.Summary, "Unexpected ") && strings.HasSuffix(d.Summary, " directive") {
		return detail, "End every %{ if … } with %{ endif } and every %{ for … } with %{ endfor }."
	}
	if strings.HasPrefix(d.Summary, "Extra characters in ") {
		return detail, "Close the directive with }."
	}
	return detail, advice[d.Summary]
}

func characterAdvice(detail string) string {
	switch {
	case strings.Contains(detail, "quote"):
		return `Write "straight double quotes" around texts and labels.`
	case strings.Contains(detail, `";"`):
		return "Begin a new line instead."
	case strings.Contains(detail, "\"`\""):
		return `Write texts in double quotes; commands cannot be run, but env("NAME") reads what the shell sets.`
	}
	return "Remove it, or put the text that it belongs to into double quotes."
}

// unknownFunction replaces the suggestion of hcl, which goes by letters alone.
func unknownFunction(d *hcl.Diagnostic) (detail, remedy string) {
	detail, _, _ = strings.Cut(d.Detail, " Did you mean ")
	const all = "bkp providers functions lists them all."
	name := calledFunction(d)
	if strings.Contains(name, "::") {
		return detail, "Functions have no namespaces here; " + all
	}
	if remedy, ok := terraformFunctions[strings.ToLower(name)]; ok {
		return detail, remedy
	}
	if n := suggest.Nearest(name, functionNames(d.EvalContext)); n != "" {
		return detail, fmt.Sprintf("Did you mean %s?", n)
	}
	return detail, "Most functions of Terraform exist; " + all
}

func calledFunction(d *hcl.Diagnostic) string {
	if call, ok := d.Expression.(*hclsyntax.FunctionCallExpr); ok {
		return call.Name
	}
	if x, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok {
		return x.CalledFunctionName()
	}
	return ""
}

func functionNames(ctx *hcl.EvalContext) []string {
	var names []string
	for ; ctx != nil; ctx = ctx.Parent() {
		for name := range ctx.Functions {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func functionIn(ctx *hcl.EvalContext, name string) (function.Function, bool) {
	for ; ctx != nil; ctx = ctx.Parent() {
		if f, ok := ctx.Functions[name]; ok {
			return f, true
		}
	}
	return function.Function{}, false
}

// failedCall shows how a function is called, unless its own error says what
// to do: those of this project do, after a semicolon.
func failedCall(d *hcl.Diagnostic) (detail, remedy string) {
	detail = typesInWords(d.Detail)
	if before, after, found := strings.Cut(detail, "; "); found && d.Summary != "Not enough function arguments" {
		return before + ".", sentence(after)
	}
	name := calledFunction(d)
	if summary, rest, found := inTemplateFile(name, detail); found {
		return templateAdvice(summary, rest)
	}
	f, ok := functionIn(d.EvalContext, name)
	if !ok {
		return detail, "See bkp providers functions."
	}
	return detail, fmt.Sprintf("It is called as %s.", name+funcs.Signature(f))
}

// inTemplateFile finds the diagnostic about a template within that about the
// call of templatefile.
func inTemplateFile(name, detail string) (summary, rest string, found bool) {
	_, rest, found = strings.Cut(detail, "parameter: ")
	parts := strings.SplitN(rest, ": ", 3)
	if name != "templatefile" || !found || len(parts) < 3 {
		return "", "", false
	}
	return parts[1], parts[0] + ": " + parts[2], true
}

func templateAdvice(summary, rest string) (detail, remedy string) {
	if before, meant, found := strings.Cut(rest, " Did you mean "); found {
		return before, "Did you mean " + strings.TrimSuffix(meant, ".")
	}
	if remedy, ok := advice[summary]; ok {
		return rest, remedy
	}
	return rest, "A template takes what is allowed in \"…\"; it can call every function but templatefile."
}

// attributeAdvice names the attributes that there are.
func attributeAdvice(d *hcl.Diagnostic) (detail, remedy string) {
	detail, _, _ = strings.Cut(d.Detail, " Did you mean ")
	detail = typesInWords(detail)
	switch {
	case strings.Contains(detail, "list of objects"):
		return detail, "Choose one with an index, as list[0].name, or take that of all with list[*].name."
	case strings.Contains(detail, "set of objects"):
		return detail, "Use a for expression, as [for x in set : x.name]."
	case strings.Contains(detail, "primitive-typed"):
		return "This is a single value, which has no attributes.", "Remove the dot and what follows it, or refer to something else."
	case strings.Contains(detail, "does not have any attributes"):
		return detail, "Remove the dot and what follows it; what blocks hold can be read in check blocks alone."
	}
	given, names := lastStep(d)
	return detail, didYouMean(given, names, "Use one that exists, or give a fallback with try.")
}

// lastStep finds the name at which a traversal of the diagnostic's expression
// fails, and the names that there would be. Keys from outside are not shown.
func lastStep(d *hcl.Diagnostic) (given string, names []string) {
	if d.Expression == nil || d.EvalContext == nil {
		return "", nil
	}
	for _, t := range d.Expression.Variables() {
		for n := 1; n < len(t); n++ {
			if _, diags := t[:n+1].TraverseAbs(d.EvalContext); !diags.HasErrors() {
				continue
			}
			given, _ = stepName(t[n:])
			v, diags := t[:n].TraverseAbs(d.EvalContext)
			if diags.HasErrors() || funcs.Has(v, funcs.Sensitive) || funcs.Has(v, funcs.External) {
				return "", nil
			}
			return given, keysOf(v)
		}
	}
	return "", nil
}

func keysOf(v cty.Value) []string {
	ty := v.Type()
	if !v.IsKnown() || v.IsNull() || !ty.IsObjectType() && !ty.IsMapType() {
		return nil
	}
	var names []string
	for name := range v.AsValueMap() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func indexAdvice(d *hcl.Diagnostic) string {
	switch {
	case strings.Contains(d.Detail, "Elements of a set"):
		return "Turn the set into a list with tolist, or use a for expression."
	case strings.Contains(d.Detail, "does not have any indices"):
		return "Remove the brackets: it is a single value."
	case strings.Contains(d.Detail, "a number is required"), strings.Contains(d.Detail, "fractional"):
		return "Write a whole number: the first element is [0]."
	case strings.Contains(d.Detail, "negative"):
		return "Count from the start, where the first element is [0], or use element(list, -1) for the last."
	case strings.Contains(d.Detail, "greater than or equal"), strings.Contains(d.Detail, "no elements"):
		return "Use an index below length(list), where the first element is [0], or give a fallback with try."
	}
	given, names := lastStep(d)
	return didYouMean(given, names, "Use a key that exists, or give a fallback with try or lookup.")
}

func operandAdvice(detail string) string {
	switch {
	case strings.Contains(detail, "null"):
		return "Give it a value, or a fallback with coalesce."
	case strings.Contains(detail, "number"):
		return "The operator takes numbers; join texts in a template, as \"${a}${b}\", and lists with concat."
	case strings.Contains(detail, "bool"):
		return "The operator takes true and false, or a comparison such as var.x == \"yes\"."
	case strings.Contains(detail, "zero"):
		return "Divide by something else."
	}
	return "Give the operator values that it takes."
}

// labelAdvice rewords labels that are missing or too many; hcl puts the type
// of the block into the summary.
func (g *grammar) labelAdvice(summary string) (detail, remedy string) {
	missing := strings.HasPrefix(summary, "Missing ")
	if !missing && !strings.HasPrefix(summary, "Extraneous label for ") {
		return "", ""
	}
	_, typ, _ := strings.Cut(summary, " for ")
	b, ok := g.anyBlock(typ)
	if !ok {
		return "", ""
	}
	head := typ
	for _, label := range b.Labels {
		head += ` "` + strings.ToUpper(label) + `"`
	}
	switch len(b.Labels) {
	case 0:
		detail = fmt.Sprintf("A block %s has no label.", typ)
	default:
		detail = fmt.Sprintf("A block %s has %s.", typ, labelCount(b.Labels))
	}
	return detail, "Write " + head + " { … }."
}

func labelCount(labels []string) string {
	if len(labels) == 1 {
		return "one label, its " + labels[0]
	}
	return fmt.Sprintf("%d labels, its %s", len(labels), strings.Join(labels, " and its "))
}

// anyBlock finds a block of the language wherever it may stand, also within
// those of strategies.
func (g *grammar) anyBlock(name string) (Block, bool) {
	if b, ok := anyBlock(g.blocks, name); ok {
		return b, true
	}
	for _, d := range g.registry.Definitions() {
		if b, ok := anyBlock(strategyBody(d).Blocks, name); ok {
			return b, true
		}
	}
	return Block{}, false
}

func anyBlock(blocks []Block, name string) (Block, bool) {
	for _, b := range blocks {
		if b.Name == name {
			return b, true
		}
		if nested, ok := anyBlock(b.Blocks, name); ok {
			return nested, true
		}
	}
	return Block{}, false
}
