package providers

import (
	"fmt"
	"sort"
)

// Kind is the type of a block that has strategies.
type Kind string

// The kinds of blocks that have strategies.
const (
	KindHome     Kind = "home"
	KindDatabase Kind = "database"
	KindArchive  Kind = "archive"
)

// Kinds lists the kinds in the order of the reference.
func Kinds() []Kind { return []Kind{KindHome, KindDatabase, KindArchive} }

// Definition describes one strategy: how its block is written and how it is
// opened. Make one with Define or DefineArchive.
type Definition struct {
	Kind Kind
	// Type is the block's first label, such as "mirror".
	Type string
	// Summary is one line for the reference.
	Summary string

	yields, takes []Life

	schema   []Attribute
	newCfg   func() any
	open     func(cfg any, env Env) (Strategy, error)
	openArch func(cfg any, env Env) (Archiver, error)
}

// Define returns the definition of a strategy whose configuration is C, a
// struct with hcl and help tags (see Attributes). defaults holds the values
// of attributes that are not set. open MUST NOT touch anything: it is called
// at plan time too.
func Define[C any](kind Kind, typ, summary string, defaults C, open func(C, Env) (Strategy, error)) Definition {
	d := definition(kind, typ, summary, defaults)
	d.open = func(cfg any, env Env) (Strategy, error) { return open(*cfg.(*C), env) }
	return d
}

// DefineArchive is Define for an archive.
func DefineArchive[C any](typ, summary string, defaults C, open func(C, Env) (Archiver, error)) Definition {
	d := definition(KindArchive, typ, summary, defaults)
	d.openArch = func(cfg any, env Env) (Archiver, error) { return open(*cfg.(*C), env) }
	return d
}

func definition[C any](kind Kind, typ, summary string, defaults C) Definition {
	return Definition{
		Kind: kind, Type: typ, Summary: summary,
		schema: attributesOf(defaults),
		newCfg: func() any { c := defaults; return &c },
	}
}

// Name is how the block begins, such as home "mirror".
func (d Definition) Name() string { return fmt.Sprintf("%s %q", d.Kind, d.Type) }

// Attributes of the block, in the order of the struct.
func (d Definition) Attributes() []Attribute { return d.schema }

// NewConfig returns a pointer to a fresh configuration with its defaults.
func (d Definition) NewConfig() any { return d.newCfg() }

// Open makes the strategy. cfg MUST come from NewConfig.
func (d Definition) Open(cfg any, env Env) (Strategy, error) {
	if d.open == nil {
		return nil, fmt.Errorf("%s is an archive, not a strategy", d.Name())
	}
	return d.open(cfg, env)
}

// OpenArchive makes the archiver. cfg MUST come from NewConfig.
func (d Definition) OpenArchive(cfg any, env Env) (Archiver, error) {
	if d.openArch == nil {
		return nil, fmt.Errorf("%s is a strategy, not an archive", d.Name())
	}
	return d.openArch(cfg, env)
}

// Registry is the explicit list of strategies.
type Registry struct {
	defs map[Kind]map[string]Definition
}

// NewRegistry lists definitions. Two of the same name are a programming error.
func NewRegistry(defs ...Definition) *Registry {
	r := &Registry{defs: map[Kind]map[string]Definition{}}
	for _, d := range defs {
		if r.defs[d.Kind] == nil {
			r.defs[d.Kind] = map[string]Definition{}
		}
		if _, twice := r.defs[d.Kind][d.Type]; twice {
			panic("registered twice: " + d.Name())
		}
		r.defs[d.Kind][d.Type] = d
	}
	return r
}

// Lookup finds a definition.
func (r *Registry) Lookup(kind Kind, typ string) (Definition, bool) {
	d, ok := r.defs[kind][typ]
	return d, ok
}

// Types returns the sorted strategies of a kind.
func (r *Registry) Types(kind Kind) []string {
	var out []string
	for t := range r.defs[kind] {
		out = append(out, t)
	}
	sort.Strings(out)
	return out
}
