package lang

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// advice is the remedy for diagnostics of the hcl library, which tell what is
// wrong and often no more, by their summary.
var advice = map[string]string{
	"Attempt to get attribute from null value": "Give it a value, or a fallback with try or coalesce.",
	"Attempt to index null value":              "Give it a value, or a fallback with try or coalesce.",
	"Call to unknown function":                 "The functions are those of Terraform, and env, file and properties.",
	"Condition is null":                        "Write a condition that is true or false.",
	"Duplicate argument":                       "Remove one of the two.",
	"Duplicate attribute definition":           "Remove one of the two.",
	"Duplicate object attribute":               "Remove one of the two.",
	"Duplicate object key":                     "Remove one of the two, or group the values with an ellipsis (...).",
	"Function calls not allowed":               "Write a constant here.",
	"Inconsistent conditional result types":    "Make both results of the same type.",
	"Incorrect JSON value type":                "Write it as the attribute or block of that name is written elsewhere.",
	"Incorrect condition type":                 "Write a condition that is true or false.",
	"Invalid expression":                       "Write a value, such as a text in quotes or a number.",
	"Invalid index":                            "Use a key or an index that exists, or give a fallback with try or lookup.",
	"Invalid operand":                          "Give the operator values that it takes.",
	"Invalid template interpolation value":     "Only texts, numbers and booleans fit into a template; turn others into text with join or jsonencode.",
	"Invalid type specification":               "A type is string, number, bool, any, or is made with list(…), set(…), map(…), tuple(…) or object(…).",
	"Iteration over non-iterable value":        "Iterate over a list, a set, a map or an object.",
	"Iteration over null value":                "Give it a value, or a fallback with coalesce.",
	"Missing block label":                      `Give it its labels as names of objects, such as "home": { "STRATEGY": { "NAME": { … } } }.`,
	"Missing JSON value":                       "Write one, or null.",
	"Missing map element":                      "Use a key that exists, or give a fallback with try or lookup.",
	"Not enough function arguments":            "Add what is missing.",
	"Null condition":                           "Write a condition that is true or false.",
	"Null value as key":                        "Give it a value, or a fallback with coalesce.",
	"Operation failed":                         "Give the operator values that it takes.",
	"Root value must be object":                "Begin the file with { and end it with }.",
	"Too many function arguments":              "Remove the others.",
	"Unsupported attribute":                    "Use an attribute that exists.",
	"Unsupported operator":                     "Give the operator values that it takes.",
	"Variables not allowed":                    "Write a constant here.",
}

// advise adds the remedy to diagnostics of the hcl library that have none.
func advise(diags hcl.Diagnostics) {
	for _, d := range diags {
		remedy, ok := advice[d.Summary]
		if !ok {
			remedy = labelAdvice(d.Summary)
		}
		if remedy == "" || strings.Contains(d.Detail, "Did you") || strings.HasSuffix(d.Detail, remedy) {
			continue
		}
		d.Detail = sentences(d.Detail, remedy)
	}
}

// labelAdvice is the remedy for labels that are missing or too many; hcl puts
// the type of the block into the summary.
func labelAdvice(summary string) string {
	if !strings.HasPrefix(summary, "Missing ") && !strings.HasPrefix(summary, "Extraneous label for ") {
		return ""
	}
	_, typ, _ := strings.Cut(summary, " for ")
	for _, b := range topLevel.Blocks {
		if b.Type != typ {
			continue
		}
		head := typ
		for _, label := range b.LabelNames {
			head += ` "` + strings.ToUpper(label) + `"`
		}
		return "Write " + head + " { … }."
	}
	return ""
}
