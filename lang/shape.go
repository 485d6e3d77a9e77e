package lang

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"bkp/internal/suggest"
)

// typeAdvice rewords what is wrong with a variable's type.
func typeAdvice(d *hcl.Diagnostic) (detail, remedy string) {
	const all = "A type is string, number, bool, any, or is made with list(…), set(…), map(…), tuple([…]) or object({ … })."
	detail = d.Detail
	if strings.HasPrefix(detail, "A type specification is either") {
		detail = "This is not a type."
	}
	detail, _, _ = strings.Cut(detail, " Did you mean ")
	switch {
	case strings.Contains(detail, `"optional"`), strings.Contains(detail, "Optional"):
		return detail, "Write optional(TYPE) or optional(TYPE, DEFAULT) for an attribute within object({ … })."
	case strings.Contains(detail, "Object type constructor"):
		return detail, "Write object({ NAME = TYPE, … })."
	case strings.Contains(detail, "Tuple type constructor"):
		return detail, "Write tuple([TYPE, …])."
	case strings.Contains(detail, "requires one argument"):
		return detail, "Write the type of the elements, as in list(string), or any."
	}
	if w := quotedWord.FindStringSubmatch(detail); w != nil {
		if meant, ok := typeWords[strings.ToLower(w[1])]; ok {
			return detail, "Write " + meant + "."
		}
		if n := suggest.Nearest(w[1], []string{"string", "number", "bool", "any", "list", "set", "map", "tuple", "object"}); n != "" {
			return detail, "Did you mean " + n + "?"
		}
	}
	if d.Subject != nil && strings.HasSuffix(d.Subject.Filename, ".json") {
		return detail, all + ` In JSON, write it in quotes and without ${…}, as in "list(string)".`
	}
	return detail, all + " Write it without quotes."
}

var quotedWord = regexp.MustCompile(`"([^"]*)"`)

// typeWords are what types are called elsewhere.
var typeWords = map[string]string{
	"integer": "number", "int": "number", "float": "number", "double": "number", "numeric": "number", "num": "number",
	"boolean": "bool", "str": "string", "text": "string",
	"array": "list(TYPE)", "dict": "map(TYPE)", "duration": "string", "path": "string", "url": "string",
	"list": "list(TYPE)", "set": "set(TYPE)", "map": "map(TYPE)", "object": "object({ NAME = TYPE, … })",
}

// namedBlock finds the block that a diagnostic about JSON is about.
var namedBlock = regexp.MustCompile(`more "(\w+)" blocks|represents the (\w+) block's`)

// jsonShapeAdvice shows how a block is written in JSON.
func (g *grammar) jsonShapeAdvice(d *hcl.Diagnostic) (detail, remedy string) {
	w := namedBlock.FindStringSubmatch(d.Detail)
	if w == nil {
		return d.Detail, `Write an object, as { "NAME": VALUE }; a block that has labels is an object for each of them.`
	}
	typ := w[1] + w[2]
	b, ok := g.anyBlock(typ)
	if !ok {
		return d.Detail, "Write an object."
	}
	open, end := "", ""
	for _, label := range b.Labels {
		open += fmt.Sprintf(`{ "%s": `, strings.ToUpper(label))
		end += " }"
	}
	detail = fmt.Sprintf("A block %s is an object.", typ)
	if len(b.Labels) > 0 {
		detail = fmt.Sprintf("A block %s is an object within an object for each label.", typ)
	}
	return detail, fmt.Sprintf(`Write "%s": %s{ … }%s.`, typ, open, end)
}

// typesInWords replaces what the libraries call types that the language calls
// otherwise.
var typesInWords = strings.NewReplacer(
	"lists or tuples", "lists",
	"a list, a set or a tuple", "a list or a set",
	"a list, a map or a tuple", "a list or a map",
	"a tuple, list, or set type", "a list or a set",
	"tuple required", "a list of that length and with those types is required",
	`"tuple"`, "a list",
	"tuple", "list",
	"list of dynamic", "list", "set of dynamic", "set", "map of dynamic", "map",
	"a bool is required", "true or false is required",
	"bool required, but", "true or false required, but",
	"must be of type bool", "must be true or false",
	" 1 argument(s)", " one argument", "argument(s)", "arguments",
	"; given string must be a decimal representation of a number", "",
	`; only the strings "true" or "false" are allowed`, "",
).Replace
