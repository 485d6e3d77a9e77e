package providers

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"bkp/internal/secret"
)

// Schema is what a block takes: its attributes and its nested blocks, in the
// order of the struct that it is decoded into. The language decodes by it, and
// the reference is written from it.
//
// It is read from the tags of the struct's fields:
//
//	Path string    `hcl:"path" help:"folder of the home"`
//	Jobs int       `hcl:"jobs,optional" help:"parallel workers" unset:"one a core"`
//	TLS  TLSConfig `hcl:"tls,block" help:"how the connection is encrypted"`
//
// See Attribute and Block. An embedded struct without a tag adds its own
// fields, and a field without a tag is none of the block's.
type Schema struct {
	Attributes []Attribute
	Blocks     []Block
}

// Attribute is one attribute of a block.
//
// unset says what happens when an attribute without a default is not set, and
// example is a value for the reference: a text stands there without quotes, a
// secret by the name of its environment variable, anything else as in a file.
//
// Fields may be string, bool, int, float64, time.Duration (written "5m"),
// secret.String, slices and string-keyed maps of string, int and bool, and
// references: see Ref.
type Attribute struct {
	Name     string
	Help     string
	Optional bool
	// Secret attributes hold secret.String: never shown, a literal is warned of.
	Secret bool
	// Refers is the kind to whose blocks a reference leads, "" for other values.
	Refers string
	// Type is the field's Go type.
	Type reflect.Type
	// Default is the value when the attribute is not set; nil if it has none.
	Default any
	// Unset says what it means not to set an attribute without a default.
	Unset string
	// Example is a value for the reference, "" if it has none.
	Example string

	index []int
}

// Block is a nested block. Its field is a struct, a pointer to one or a slice
// of structs.
//
// A struct is always there: without the block it keeps its defaults, and so the
// block is required if it has an attribute that is. A pointer is nil without
// the block, and a slice has an element for each block. What they lead to
// begins with the defaults that Defaulter sets.
type Block struct {
	Name string
	Help string
	Schema

	typ   reflect.Type
	index []int
}

// Defaulter is implemented by a pointer to the struct of a nested block that is
// optional or repeated, and has defaults. It is called on a zero value.
type Defaulter interface{ SetDefaults() }

// Field returns the attribute's field in cfg, a pointer to the struct.
func (a Attribute) Field(cfg any) reflect.Value {
	return reflect.ValueOf(cfg).Elem().FieldByIndex(a.index)
}

func (b Block) field(cfg any) reflect.Value {
	return reflect.ValueOf(cfg).Elem().FieldByIndex(b.index)
}

// Repeatable reports whether the block may stand more than once.
func (b Block) Repeatable() bool { return b.typ.Kind() == reflect.Slice }

// Optional reports whether cfg has nothing of the block if it is not there.
func (b Block) Optional() bool { return b.typ.Kind() != reflect.Struct }

// Required reports whether the block must be there.
func (b Block) Required() bool { return b.typ.Kind() == reflect.Struct && b.demands() }

func (s Schema) demands() bool {
	for _, a := range s.Attributes {
		if !a.Optional {
			return true
		}
	}
	for _, b := range s.Blocks {
		if b.Required() {
			return true
		}
	}
	return false
}

// Names are the names of all attributes, those of a nested block such as
// tls.ca_file.
func (s Schema) Names() []string {
	var out []string
	for _, a := range s.Attributes {
		out = append(out, a.Name)
	}
	for _, b := range s.Blocks {
		for _, name := range b.Names() {
			out = append(out, b.Name+"."+name)
		}
	}
	return out
}

// Add makes room in cfg for one more such block, and returns a pointer to it.
// The pointer MUST NOT be used after the next Add.
func (b Block) Add(cfg any) any {
	field := b.field(cfg)
	if field.Kind() == reflect.Struct {
		return field.Addr().Interface()
	}
	made := reflect.New(b.typ.Elem())
	if d, ok := made.Interface().(Defaulter); ok {
		d.SetDefaults()
	}
	if field.Kind() == reflect.Pointer {
		field.Set(made)
		return made.Interface()
	}
	field.Set(reflect.Append(field, made.Elem()))
	return field.Index(field.Len() - 1).Addr().Interface()
}

// In returns pointers to the blocks that are in cfg.
func (b Block) In(cfg any) []any {
	field := b.field(cfg)
	switch {
	case field.Kind() == reflect.Struct:
		return []any{field.Addr().Interface()}
	case field.IsNil():
		return nil
	case field.Kind() == reflect.Pointer:
		return []any{field.Interface()}
	}
	var out []any
	for i := range field.Len() {
		out = append(out, field.Index(i).Addr().Interface())
	}
	return out
}

// ConfigProblem is something wrong with a decoded configuration that its
// types cannot say.
type ConfigProblem struct {
	// Attribute or nested block at fault, such as port or tls.ca_file; "" for the
	// whole block.
	Attribute string
	// Rests names all attributes on which the problem rests, if it is to be
	// reported even when others could not be decoded.
	Rests []string
	// Summary is constant; Detail and Remedy are sentences.
	Summary, Detail, Remedy string
}

// ConfigValidator is implemented by a pointer to a configuration, or to a
// nested block of one, that has rules beyond its types. ValidateConfig MUST
// touch nothing outside.
type ConfigValidator interface{ ValidateConfig() []ConfigProblem }

var (
	secretType   = reflect.TypeFor[secret.String]()
	durationType = reflect.TypeFor[time.Duration]()
)

// SchemaOf reads the schema of a struct with hcl tags, given with its default
// values. It panics on a struct that breaks the rules of Attribute and Block,
// which is a programming error that every test meets.
func SchemaOf(defaults any) Schema {
	v := reflect.ValueOf(defaults)
	if v.Kind() != reflect.Struct {
		panic(fmt.Sprintf("configuration %T is not a struct", defaults))
	}
	var out Schema
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, ok := f.Tag.Lookup("hcl")
		if !ok && f.Anonymous {
			out.embed(i, SchemaOf(v.Field(i).Interface()))
		}
		if !ok {
			continue
		}
		name, opts, _ := strings.Cut(tag, ",")
		if f.Tag.Get("help") == "" {
			panic(fmt.Sprintf("%s of %T has no help", name, defaults))
		}
		if opts == "block" {
			out.Blocks = append(out.Blocks, blockOf(name, f, v.Field(i)))
			continue
		}
		out.Attributes = append(out.Attributes, attributeOf(name, opts == "optional", f, v.Field(i)))
	}
	return out
}

// embed adds what an embedded struct, the field at i, has.
func (s *Schema) embed(i int, inner Schema) {
	for _, a := range inner.Attributes {
		a.index = append([]int{i}, a.index...)
		s.Attributes = append(s.Attributes, a)
	}
	for _, b := range inner.Blocks {
		b.index = append([]int{i}, b.index...)
		s.Blocks = append(s.Blocks, b)
	}
}

func attributeOf(name string, optional bool, f reflect.StructField, v reflect.Value) Attribute {
	a := Attribute{
		Name: name, Help: f.Tag.Get("help"), Optional: optional, Refers: f.Tag.Get("kind"),
		Secret: f.Type == secretType, Type: f.Type, index: f.Index,
		Unset: f.Tag.Get("unset"), Example: f.Tag.Get("example"),
	}
	if isRefs(f.Type) != (a.Refers != "") {
		panic(fmt.Sprintf("attribute %s: a reference, and nothing else, has a tag kind", name))
	}
	if !v.IsZero() && a.Refers == "" {
		a.Default = v.Interface()
	}
	_ = a.TypeName() // panics on a type that cannot be decoded
	return a
}

func blockOf(name string, f reflect.StructField, v reflect.Value) Block {
	b := Block{Name: name, Help: f.Tag.Get("help"), typ: f.Type, index: f.Index}
	if f.Type.Kind() != reflect.Struct {
		if k := f.Type.Kind(); k != reflect.Pointer && k != reflect.Slice || !v.IsNil() {
			panic(fmt.Sprintf("block %s: a %s cannot be a block, or it has a default", name, f.Type))
		}
		made := reflect.New(f.Type.Elem())
		if d, ok := made.Interface().(Defaulter); ok {
			d.SetDefaults()
		}
		v = made.Elem()
	}
	b.Schema = SchemaOf(v.Interface())
	return b
}
