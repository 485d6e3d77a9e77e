package providers

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"bkp/internal/secret"
)

// Attribute is one attribute of a strategy's block. The language decodes by
// it, and the reference is written from it.
//
// It is read from a field's tags:
//
//	Path string `hcl:"path" help:"folder of the home"`
//	Jobs int    `hcl:"jobs,optional" help:"parallel workers" unset:"one a core"`
//
// unset tells what happens when an attribute without a default is not set, and
// example is a value for the reference: a text stands there without quotes, a
// secret by the name of its environment variable, anything else as in a file.
//
// Fields may be string, bool, int, float64, time.Duration (written "5m"),
// secret.String, and slices and string-keyed maps of string, int and bool. An
// embedded struct without a tag adds its own fields.
type Attribute struct {
	Name     string
	Help     string
	Optional bool
	// Secret attributes hold secret.String: never shown, a literal is warned of.
	Secret bool
	// Type is the field's Go type.
	Type reflect.Type
	// Default is the value when the attribute is not set; nil if there is none.
	Default any
	// Unset tells what it means not to set an attribute without a default.
	Unset string
	// Example is a value for the reference, "" if there is none.
	Example string

	index []int
}

// Field returns the attribute's field in cfg, a pointer from NewConfig.
func (a Attribute) Field(cfg any) reflect.Value {
	return reflect.ValueOf(cfg).Elem().FieldByIndex(a.index)
}

// ConfigProblem is something wrong with a decoded configuration that its
// types cannot tell.
type ConfigProblem struct {
	// Attribute at fault, "" for the whole block.
	Attribute string
	// Summary is constant; Detail and Remedy are sentences.
	Summary, Detail, Remedy string
}

// ConfigValidator is implemented by a pointer to a configuration that has
// rules beyond its types. ValidateConfig MUST touch nothing outside.
type ConfigValidator interface{ ValidateConfig() []ConfigProblem }

var (
	secretType   = reflect.TypeFor[secret.String]()
	durationType = reflect.TypeFor[time.Duration]()
)

// AttributesOf reads the attributes of a struct with hcl tags, given with its
// default values. It panics on a struct that breaks the rules of Attribute,
// which is a programming error that every test meets.
func AttributesOf(defaults any) []Attribute { return attributesOf(defaults) }

func attributesOf(defaults any) []Attribute {
	v := reflect.ValueOf(defaults)
	if v.Kind() != reflect.Struct {
		panic(fmt.Sprintf("configuration %T is not a struct", defaults))
	}
	var out []Attribute
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, ok := f.Tag.Lookup("hcl")
		if !ok && f.Anonymous {
			for _, a := range attributesOf(v.Field(i).Interface()) {
				a.index = append([]int{i}, a.index...)
				out = append(out, a)
			}
		}
		if !ok {
			continue
		}
		name, opts, _ := strings.Cut(tag, ",")
		a := Attribute{
			Name: name, Help: f.Tag.Get("help"), Optional: opts == "optional",
			Secret: f.Type == secretType, Type: f.Type, index: []int{i},
			Unset: f.Tag.Get("unset"), Example: f.Tag.Get("example"),
		}
		if a.Help == "" {
			panic(fmt.Sprintf("attribute %s of %T has no help", name, defaults))
		}
		if !v.Field(i).IsZero() {
			a.Default = v.Field(i).Interface()
		}
		out = append(out, a)
	}
	return out
}

// TypeName is how the attribute's type is written in the reference.
func (a Attribute) TypeName() string { return typeName(a.Type) }

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

// DefaultText is the default as it would be written in a file, "" if there is
// none: then Unset tells what happens.
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
