package providers

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// TypeName is how the attribute's type is written in the reference.
func (a Attribute) TypeName() string {
	switch {
	case a.Refers == "":
		return typeName(a.Type)
	case a.Many():
		return "list of references to " + a.Refers + " blocks"
	default:
		return "reference to " + Articled(a.Refers)
	}
}

// Articled is the name of a kind with its article: an archive.
func Articled(kind string) string {
	if kind != "" && strings.Contains("aeiou", kind[:1]) {
		return "an " + kind
	}
	return "a " + kind
}

func typeName(t reflect.Type) string {
	switch t {
	case secretType:
		return "string (sensitive)"
	case durationType:
		return "duration"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list(" + typeName(t.Elem()) + ")"
	case reflect.Map:
		return "map(" + typeName(t.Elem()) + ")"
	default:
		panic("configuration has a field of type " + t.String())
	}
}

// DefaultText is the default as it would be written in a file, "" without one: then Unset says what happens.
func (a Attribute) DefaultText() string {
	switch {
	case !a.Optional || a.Secret:
		return ""
	case a.Default != nil:
		return literal(a.Default)
	}
	switch a.Type.Kind() {
	case reflect.Bool:
		return "false"
	case reflect.Slice:
		return "[]"
	case reflect.Map:
		return "{}"
	default:
		return ""
	}
}

// ExampleText is the example as it would be written in a file.
func (a Attribute) ExampleText() string {
	switch {
	case a.Example == "":
		return ""
	case a.Secret:
		return fmt.Sprintf("env(%q)", a.Example)
	case a.Type.Kind() == reflect.String || a.Type == durationType:
		return fmt.Sprintf("%q", a.Example)
	default:
		return a.Example
	}
}

// literal writes a value as the language does, which for all but a duration
// is as JSON does.
func literal(v any) string {
	if d, ok := v.(time.Duration); ok {
		text := d.String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		v = text
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("default %v: %v", v, err)) // every type of an attribute can be marshalled
	}
	return string(b)
}
