package importer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// tags writes tags of Amazon, which the scripts have as JSON: a list of keys and values, most often
// without its brackets.
func tags(v variable) (expr, why string) {
	text := strings.TrimSpace(v.text)
	switch {
	case v.isList:
		return "", "it is an array, where one text is expected"
	case text == "":
		return "", ""
	case !strings.HasPrefix(text, "["):
		text = "[" + text + "]"
	}
	var list []struct{ Key, Value string }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return "", "it is no list of tags in JSON; write them as tags = { KEY = \"VALUE\" }"
	}
	var out []string
	for _, t := range list {
		key, why := faithful(t.Key)
		if why != "" {
			return "", why
		}
		value, why := faithful(t.Value)
		if why != "" {
			return "", why
		}
		if t.Key == "" || t.Key == "Name" || strings.HasPrefix(t.Key, "aws:") {
			return "", fmt.Sprintf("the key %q is taken; write the others as tags = { KEY = \"VALUE\" }", t.Key)
		}
		out = append(out, key+" = "+value)
	}
	return "{ " + strings.Join(out, ", ") + " }", ""
}
