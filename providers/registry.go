package providers

import (
	"fmt"
	"slices"
)

// Registry is the explicit list of strategies, and by them of their kinds.
type Registry struct {
	defs []Definition
}

// NewRegistry lists definitions. Two of the same name, two kinds of the same
// name and a reference to a kind that no definition has, or that opens
// something else, are programming errors, and panic.
func NewRegistry(defs ...Definition) *Registry {
	r := &Registry{}
	for _, d := range defs {
		if known, ok := r.Kind(d.Kind.Name()); ok && known != d.Kind {
			panic("two kinds are called " + known.Name())
		}
		if _, twice := r.Lookup(d.Kind.Name(), d.Type); twice {
			panic("registered twice: " + d.Name())
		}
		r.defs = append(r.defs, d)
	}
	for _, d := range r.defs {
		r.checkReferences(d.Name(), d.schema)
	}
	return r
}

func (r *Registry) checkReferences(name string, s Schema) {
	for _, a := range s.Attributes {
		if a.Refers == "" || a.Refers == RetentionBlock || a.Refers == Connections.Name() {
			continue // a list without connections has strategies of this machine
		}
		kind, ok := r.Kind(a.Refers)
		if !ok {
			panic(fmt.Sprintf("%s of %s refers to the kind %q, which has no strategy", a.Name, name, a.Refers))
		}
		if kind.opens() != a.opens() {
			panic(fmt.Sprintf("%s of %s opens a %s, and the kind %q a %s", a.Name, name, a.opens(), a.Refers, kind.opens()))
		}
	}
	for _, b := range s.Blocks {
		r.checkReferences(name, b.Schema)
	}
}

// Kinds are those of the definitions, in the order in which NewRegistry met
// them. It is the order of the reference.
func (r *Registry) Kinds() []AnyKind {
	var out []AnyKind
	for _, d := range r.defs {
		if !slices.Contains(out, d.Kind) {
			out = append(out, d.Kind)
		}
	}
	return out
}

// Definitions are those of the kinds in their order, each kind's sorted by
// their types.
func (r *Registry) Definitions() []Definition {
	var out []Definition
	for _, k := range r.Kinds() {
		for _, typ := range r.Types(k.Name()) {
			d, _ := r.Lookup(k.Name(), typ)
			out = append(out, d)
		}
	}
	return out
}

// Kind finds a kind by its name.
func (r *Registry) Kind(name string) (AnyKind, bool) {
	for _, d := range r.defs {
		if d.Kind.Name() == name {
			return d.Kind, true
		}
	}
	return nil, false
}

// Lookup finds a definition by the name of its kind and its type.
func (r *Registry) Lookup(kind, typ string) (Definition, bool) {
	for _, d := range r.defs {
		if d.Kind.Name() == kind && d.Type == typ {
			return d, true
		}
	}
	return Definition{}, false
}

// Types returns the sorted strategies of a kind.
func (r *Registry) Types(kind string) []string {
	var out []string
	for _, d := range r.defs {
		if d.Kind.Name() == kind {
			out = append(out, d.Type)
		}
	}
	slices.Sort(out)
	return out
}

// Example is the strategy of a kind that examples show: the first one that
// does something by itself.
func (r *Registry) Example(kind string) (Definition, bool) {
	return r.first(kind, func(d Definition) bool { return !d.Empty && d.Inside == nil })
}

// Empty is the strategy of a kind that does nothing.
func (r *Registry) Empty(kind string) (Definition, bool) {
	return r.first(kind, func(d Definition) bool { return d.Empty })
}

func (r *Registry) first(kind string, fits func(Definition) bool) (Definition, bool) {
	for _, d := range r.defs {
		if d.Kind.Name() == kind && fits(d) {
			return d, true
		}
	}
	return Definition{}, false
}
