package providers

import (
	"fmt"
	"reflect"
)

// Ref is a reference to a block of another kind, as an attribute of a
// configuration. A field may also be a list, []Ref[S]. The tag kind names the
// kind, whose S it has:
//
//	Encryption Ref[Sealer] `hcl:"encryption,optional" kind:"encryption" help:"…" unset:"…"`
//
// It is written encryption = encryption.age.keys.
type Ref[S any] struct {
	// Address of the block, "" if the attribute is not set.
	Address string

	open Opener
}

// Opener opens the component at an address, once a run: what it returned for
// an address it returns again. It may be called from several goroutines.
type Opener func(address string) (any, error)

// IsSet reports whether there is a block to open.
func (r Ref[S]) IsSet() bool { return r.Address != "" }

// Open makes what the block stands for, or returns what was made of it before
// in this run. It touches nothing.
func (r Ref[S]) Open() (S, error) {
	var none S
	switch {
	case r.Address == "":
		return none, fmt.Errorf("there is nothing to open: the reference is not set")
	case r.open == nil:
		return none, fmt.Errorf("%s cannot be opened from here", r.Address)
	}
	made, err := r.open(r.Address)
	if err != nil {
		return none, err
	}
	return as[S](made, r.Address)
}

func (r *Ref[S]) address() string     { return r.Address }
func (r *Ref[S]) refer(to string)     { r.Address = to }
func (r *Ref[S]) bind(open Opener)    { r.open = open }
func (r *Ref[S]) opens() reflect.Type { return reflect.TypeFor[S]() }

// reference is a *Ref[S], whatever S is.
type reference interface {
	address() string
	refer(to string)
	bind(open Opener)
	opens() reflect.Type
}

func isRef(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[reference]())
}

// isRefs reports whether values of a type are references, one or a list.
func isRefs(t reflect.Type) bool {
	return isRef(t) || t.Kind() == reflect.Slice && isRef(t.Elem())
}

// Many reports whether the attribute is a list, of references or of others.
func (a Attribute) Many() bool { return a.Type.Kind() == reflect.Slice }

// opens is what the references of the attribute open.
func (a Attribute) opens() reflect.Type {
	t := a.Type
	if a.Many() {
		t = t.Elem()
	}
	return reflect.New(t).Interface().(reference).opens()
}

// Refer sets an attribute of references; all but a list takes one address at
// most.
func (a Attribute) Refer(cfg any, addresses []string) {
	field := a.Field(cfg)
	field.SetZero()
	if a.Many() {
		field.Set(reflect.MakeSlice(a.Type, len(addresses), len(addresses)))
	}
	for i, r := range references(field) {
		if i < len(addresses) {
			r.refer(addresses[i])
		}
	}
}

// Addresses are where an attribute of references leads.
func (a Attribute) Addresses(cfg any) []string {
	out := []string{}
	for _, r := range references(a.Field(cfg)) {
		if r.address() != "" {
			out = append(out, r.address())
		}
	}
	return out
}

// references are those of a field, which must be addressable.
func references(field reflect.Value) []reference {
	if field.Kind() != reflect.Slice {
		return []reference{field.Addr().Interface().(reference)}
	}
	var out []reference
	for i := range field.Len() {
		out = append(out, field.Index(i).Addr().Interface().(reference))
	}
	return out
}

// Bind returns a copy of cfg, a pointer to a struct of the schema, whose
// references are opened by open. cfg stays as it is.
func (s Schema) Bind(cfg any, open Opener) any {
	out := reflect.New(reflect.TypeOf(cfg).Elem())
	out.Elem().Set(reflect.ValueOf(cfg).Elem())
	s.bind(out.Interface(), open)
	return out.Interface()
}

func (s Schema) bind(cfg any, open Opener) {
	for _, a := range s.Attributes {
		if a.Refers == "" {
			continue
		}
		unshare(a.Field(cfg))
		for _, r := range references(a.Field(cfg)) {
			r.bind(open)
		}
	}
	for _, b := range s.Blocks {
		unshare(b.field(cfg))
		for _, nested := range b.In(cfg) {
			b.bind(nested, open)
		}
	}
}

// unshare copies what a field leads to.
func unshare(field reflect.Value) {
	switch {
	case field.Kind() == reflect.Slice && !field.IsNil():
		own := reflect.MakeSlice(field.Type(), field.Len(), field.Len())
		reflect.Copy(own, field)
		field.Set(own)
	case field.Kind() == reflect.Pointer && !field.IsNil():
		own := reflect.New(field.Type().Elem())
		own.Elem().Set(field.Elem())
		field.Set(own)
	}
}
