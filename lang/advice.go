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

// advice is the remedy for diagnostics of the hcl library, which tell what is
// wrong and often no more, by their summary. What depends on more than the
// summary is in remedyFor. A test fails for a summary that neither knows.
var advice = map[string]string{
	"Ambiguous attribute key":                         "Put the key into quotes, or a reference into parentheses.",
	"Argument definition required":                    "Write one NAME = VALUE a line, and the braces on lines of their own.",
	"Argument or block definition required":           "Write NAME = VALUE, or a block such as home \"mirror\" \"NAME\" { … }.",
	"Attempt to get attribute from null value":        "Give it a value, or a fallback with try or coalesce.",
	"Attempt to index null value":                     "Give it a value, or a fallback with try or coalesce.",
	"Attribute name required":                         "Write the name of an attribute after the dot.",
	"Attribute redefined":                             "Remove one of the two.",
	"Condition is null":                               "Write a condition that is true or false.",
	"Duplicate argument":                              "Remove one of the two.",
	"Duplicate attribute definition":                  "Remove one of the two.",
	"Duplicate object attribute":                      "Remove one of the two.",
	"Duplicate object key":                            "Make the keys differ, or group the values with an ellipsis (...).",
	"Extra characters after expression":               "Remove what follows the value, or put the whole into quotes if it is a text.",
	"Extra characters after interpolation expression": "Close the expression with }, or write $${ for a literal ${.",
	"Extraneous data after value":                     "A file holds one JSON object: remove what follows it, or merge it into the first.",
	"Inconsistent conditional result types":           "Make both results of the same type.",
	"Incorrect condition type":                        "Write a condition that is true or false, such as var.x == \"yes\".",
	"Incorrect key type":                              "Use a text, a number or true or false as a key.",
	"Index value required":                            "Write a number or a text in quotes into the brackets.",
	"Invalid 'for' condition":                         "Write a condition that is true or false after if, such as x != \"\".",
	"Invalid 'for' directive":                         "Write it as %{ for x in list }…%{ endfor }.",
	"Invalid 'for' expression":                        "Write it as [for x in list : VALUE], or as { for x in list : KEY => VALUE } for an object.",
	"Invalid array value":                             "Put values into a list one by one, or use an object in braces for names with values.",
	"Invalid argument name":                           "Write the name without quotes.",
	"Invalid attribute name":                          "Write the name of an attribute after the dot.",
	"Invalid block definition":                        "Write the block as NAME \"LABEL\" { at the end of one line, its attributes on lines of their own, and }; an attribute as NAME = VALUE.",
	"Invalid character encoding":                      "Save the file as UTF-8.",
	"Invalid default value for optional attribute":    "Change the default or the type.",
	"Invalid escape sequence":                         `Write \\ for a backslash; or use slashes, which paths of Windows take, too.`,
	"Invalid expanding argument value":                "Put a list before the ellipsis (...).",
	"Invalid expression":                              "Write a value: a text in quotes, a number, a list in brackets, or a reference such as var.NAME.",
	"Invalid JSON keyword":                            "Write double quotes around texts; only true, false and null stand without.",
	"Root value must be object":                       "Begin the file with { and end it with }.",
	"Invalid JSON number":                             "Write it in digits, without leading zeros, or as a text in quotes.",
	"Invalid legacy index syntax":                     "Write each index in brackets of its own.",
	"Invalid multi-line string":                       `Close the text with a quote on the same line; write \n for a new line in it.`,
	"Invalid nested splat expressions":                "Use a for expression.",
	"Invalid number literal":                          "Write it in digits, such as 42 or 0.5, or put quotes around a text.",
	"Invalid object key":                              "Make the key a text, a number or true or false; leave out others with if.",
	"Invalid single-argument block definition":        "Write one NAME = VALUE a line, and the braces on lines of their own.",
	"Invalid string literal":                          "Write a constant text in quotes; a block takes its values from attributes, and its number from for_each.",
	"Invalid template control keyword":                "Write %{ if …}, %{ for … } or their ends, or %%{ for a literal %{.",
	"Invalid template directive":                      "Write %{ if …} or %{ for … }, or %%{ for a literal %{.",
	"Invalid template interpolation value":            "Only texts, numbers and booleans fit into a template; turn others into text with join or jsonencode.",
	"Missing argument separator":                      "Put commas between arguments, and close the call with ).",
	"Missing attribute seperator comma":               "Put a comma between one property and the next.",
	"Missing attribute separator":                     "Put each attribute on a line of its own, or a comma between them.",
	"Missing attribute value":                         "Write NAME = VALUE; for a list, use brackets.",
	"Missing close bracket on index":                  "Close the index with ].",
	"Missing close bracket on splat index":            "Write [*].",
	"Missing closing parenthesis":                     "Close the call with ).",
	"Missing expression":                              "Write a value: a text in quotes, a number, a list in brackets, or a reference such as var.NAME.",
	"Missing false expression in conditional":         "Write test ? one : other, or null for the other.",
	"Missing function name":                           "Write the function's name alone; there are no namespaces.",
	"Missing item separator":                          "Put commas between items, and close the list with ].",
	"Missing key/value separator":                     "Write NAME = VALUE; for a list, use brackets.",
	"Missing newline after argument":                  "Begin a new line for what follows. Operators are ==, !=, <, >, &&, || and !; texts stand in quotes.",
	"Missing newline after block definition":          "Begin a new line after the closing brace.",
	"Missing object value":                            "Write \"NAME\": VALUE.",
	"Missing open parenthesis":                        "Call the function as NAME(…).",
	"Missing property value colon":                    "Write \"NAME\": VALUE, with a colon.",
	"Missing value":                                   "Write the whole object, as { … }.",
	"Nested splat expression not allowed":             "Use a for expression.",
	"Null condition":                                  "Give it a value, or a fallback with coalesce.",
	"Null value as key":                               "Give it a value, or a fallback with coalesce.",
	"Iteration over non-iterable value":               "Iterate over a list, a set, a map or an object.",
	"Iteration over null value":                       "Give it a value, or a fallback with coalesce.",
	"Missing map element":                             "Use a key that exists, or give a fallback with try or lookup.",
	"Splat of null value":                             "Give it a value, or a fallback with coalesce.",
	"Trailing comma in array":                         "Remove the comma before the closing bracket.",
	"Trailing comma in object":                        "Remove the comma before the closing brace.",
	"Unbalanced parentheses":                          "Close the parenthesis with ).",
	"Unclosed configuration block":                    "Close the block with } on a line of its own.",
	"Unclosed configuration body":                     "Close the block with } on a line of its own.",
	"Unclosed index brackets":                         "Close the index with ].",
	"Unclosed template interpolation sequence":        "Close the expression with }, and the text with a quote.",
	"Unexpected else directive":                       "Write %{ if … }…%{ else }…%{ endif }.",
	"Unexpected end of template":                      "End it with %{ endif } or %{ endfor }; write %%{ for a literal %{.",
	"Unsupported operator":                            "Operators are +, -, *, /, %, ==, !=, <, <=, >, >=, &&, || and !; the function pow has exponents.",
	"Unterminated function call":                      "Close the call with ).",
	"Unterminated object constructor expression":      "Close the object with }.",
	"Unterminated string literal":                     "Close the text with a quote on the same line.",
	"Unterminated template string":                    "Close the text with a quote on the same line, and a heredoc with its marker alone on a line.",
	"Unterminated tuple constructor expression":       "Close the list with ].",
	"Variables not allowed":                           "Write a constant, with texts in quotes; a value that is computed belongs into locals.",
	"Function calls not allowed":                      "Write a constant; a value that is computed belongs into locals.",
}

// remedied is the Extra of a diagnostic that has a remedy.
type remedied struct {
	remedy string
	extra  any
}

// UnwrapDiagnosticExtra lets hcl find what it put there itself.
func (r remedied) UnwrapDiagnosticExtra() any { return r.extra }

// Remedy returns what a diagnostic tells to do: the end of its detail.
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
func advise(diags hcl.Diagnostics) {
	for _, d := range diags {
		if Remedy(d) != "" {
			continue
		}
		if detail, remedy := remedyFor(d); remedy != "" {
			setDetail(d, detail, remedy)
		}
	}
}

// remedyFor returns the detail, often reworded, and what to do.
func remedyFor(d *hcl.Diagnostic) (detail, remedy string) {
	detail = typesInWords(d.Detail)
	switch d.Summary {
	case "Argument or block definition required", "Variables not allowed":
		detail, _, _ = strings.Cut(detail, " To set an argument")
		if d.Subject != nil && !IsSource(filepath.Base(d.Subject.Filename)) {
			return detail, "Write NAME = VALUE, with texts in quotes."
		}
	case "Attribute redefined":
		detail, _, _ = strings.Cut(detail, " Each argument")
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
		return detail, characterAdvice(detail)
	case "Incorrect JSON value type", "Missing block label":
		return jsonShapeAdvice(d)
	}
	if label, remedy := labelAdvice(d.Summary); remedy != "" {
		return label, remedy
	}
	if strings.HasPrefix(d.Summary, "Unexpected ") && strings.HasSuffix(d.Summary, " block") {
		return detail, "Write NAME = VALUE here; blocks belong into files whose names end in " + nativeExt + ", and not into locals."
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
	const all = "bkp providers functions lists those that there are."
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

// failedCall shows how a function is called, unless its own error tells what
// to do: those of this project do, after a semicolon.
func failedCall(d *hcl.Diagnostic) (detail, remedy string) {
	detail = typesInWords(d.Detail)
	if before, after, found := strings.Cut(detail, "; "); found && d.Summary != "Not enough function arguments" {
		return before + ".", sentence(after)
	}
	name := calledFunction(d)
	f, ok := functionIn(d.EvalContext, name)
	if !ok {
		return detail, "bkp providers functions tells how it is called."
	}
	return detail, fmt.Sprintf("It is called as %s.", name+funcs.Signature(f))
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
// fails, and the names that there would be. Keys from outside are not told.
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
func labelAdvice(summary string) (detail, remedy string) {
	missing := strings.HasPrefix(summary, "Missing ")
	if !missing && !strings.HasPrefix(summary, "Extraneous label for ") {
		return "", ""
	}
	_, typ, _ := strings.Cut(summary, " for ")
	b, ok := anyBlock(language, typ)
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

// anyBlock finds a block of the language wherever it may stand.
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
