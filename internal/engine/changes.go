package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"bkp/internal/engine/plan"
	"bkp/internal/secret"
)

// grounds are the headings of changes.
var grounds = map[plan.Ground]string{
	plan.GroundFormat:        "format of the plan",
	plan.GroundTool:          "bkp",
	plan.GroundConfiguration: "configuration",
	plan.GroundFacts:         "what was seen",
}

// describeChanges lists what makes a plan stale, a line each in the way of Terraform,
// aligned and under a heading for each ground.
func describeChanges(changes []plan.Change) string {
	names, width := make([]string, len(changes)), 0
	for i, c := range changes {
		names[i] = strings.Trim(c.Address+"."+c.Key, ".") + ":"
		if c.Key != "" {
			width = max(width, len([]rune(names[i])))
		}
	}
	var lines []string
	ground := plan.Ground("")
	for i, c := range changes {
		if c.Ground != ground {
			ground = c.Ground
			lines = append(lines, grounds[ground])
		}
		lines = append(lines, "  "+change(c, names[i], width))
	}
	return strings.Join(lines, "\n")
}

func change(c plan.Change, name string, width int) string {
	switch {
	case c.Key == "" && c.Added:
		return "+ " + strings.TrimSuffix(name, ":") + " is new"
	case c.Key == "":
		return "- " + strings.TrimSuffix(name, ":") + " is gone"
	case c.Added:
		return fmt.Sprintf("+ %-*s %s", width, name, value(c.Ground, c.New))
	case c.Removed:
		return fmt.Sprintf("- %-*s %s", width, name, value(c.Ground, c.Old))
	default:
		return fmt.Sprintf("~ %-*s %s -> %s", width, name, value(c.Ground, c.Old), value(c.Ground, c.New))
	}
}

// value writes a value for a person: JSON as the language writes it, what was
// seen as it is.
func value(ground plan.Ground, text string) string {
	if ground == plan.GroundConfiguration {
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err == nil {
			return expression(v)
		}
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

func expression(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if v == secret.Hidden {
			return v // stands in place of a value
		}
		return strconv.Quote(v)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, expression(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, k+" = "+expression(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return fmt.Sprint(v)
	}
}
