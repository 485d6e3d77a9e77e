package providers

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
)

// Definition describes one strategy: how its block is written, how it is
// opened, and what is to be known of it without opening it. Make one with
// Define.
type Definition struct {
	Kind AnyKind
	// Type is the block's first label, such as "mirror".
	Type string
	// Summary is one line for the reference.
	Summary string
	// Empty strategies do nothing: somebody else backs up what they stand for, or
	// keeps what was captured. An instance of nothing else has no backup.
	Empty bool
	// Inside is the kind whose capture holds what the strategy stands for; nil if
	// it is captured by itself.
	Inside AnyKind

	// Engines are those of the databases that the strategy is for, as addresses of JDBC call
	// them; nil if it may be any, or is for no database.
	Engines []string

	// Atomic is set for a strategy whose capture is of one instant, even of files that
	// change meanwhile. NeedsAtomic is set for one that is Inside, and is of use in
	// such a capture alone.
	Atomic, NeedsAtomic bool
	// Live is set for a strategy whose capture is of one instant also without the lock,
	// and holds everything that was written before it, whether it had reached the disk
	// or not: git does not wait for the disk with every object.
	Live bool
	// ReadsFar is set for an archive that reads trees of other machines, and StoresThere
	// for one that has them stored by these.
	ReadsFar, StoresThere bool

	yields, takes []Life
	does          []Verb
	configured    func(cfg any) []Option

	schema Schema
	newCfg func() any
	open   func(cfg any, env Env) (any, error)
}

// Option says more of a strategy.
type Option func(*Definition)

// Empty is for a strategy that does nothing: see Definition.Empty.
func Empty() Option { return func(d *Definition) { d.Empty = true } }

// Inside is for a strategy whose state lies in what another kind captures: see
// Definition.Inside.
func Inside(kind AnyKind) Option { return func(d *Definition) { d.Inside = kind } }

// Engines is for a strategy of databases of certain makes: see Definition.Engines.
func Engines(names ...string) Option { return func(d *Definition) { d.Engines = names } }

// Does is for a strategy with steps of these verbs besides Capture and Restore:
// Prepare, Finish. Others are not called for it.
func Does(verbs ...Verb) Option { return func(d *Definition) { d.does = verbs } }

// Does reports whether a plan has a step of the verb for the strategy.
func (d Definition) Does(v Verb) bool {
	return v == Capture || v == Restore || slices.Contains(d.does, v)
}

// Configured is for a strategy that its block decides in part: options
// returns more of them for its configuration.
func Configured[C any](options func(C) []Option) Option {
	return func(d *Definition) { d.configured = func(cfg any) []Option { return options(*cfg.(*C)) } }
}

// For is the definition of a block with a configuration, which MUST come from
// NewConfig.
func (d Definition) For(cfg any) Definition {
	if d.configured == nil {
		return d
	}
	for _, o := range d.configured(cfg) {
		o(&d)
	}
	return d
}

// Atomic is for a strategy of snapshots: see Definition.Atomic.
func Atomic() Option { return func(d *Definition) { d.Atomic = true } }

// Live is for a strategy that needs no lock: see Definition.Live.
func Live() Option { return func(d *Definition) { d.Live = true } }

// InsideAtomic is Inside for state whose files change even under the lock: see
// Definition.NeedsAtomic.
func InsideAtomic(kind AnyKind) Option {
	return func(d *Definition) { d.Inside, d.NeedsAtomic = kind, true }
}

// Folder is one that belongs to what a strategy captures, though it lies elsewhere.
type Folder struct {
	// Address of the component whose state it is.
	Address string
	Path    string
	// LeaveOut are rules of what is not part of it.
	LeaveOut Rules
}

// FolderAt is where a restore of a home to another place puts the folder of a
// number.
func FolderAt(home string, i int) string { return filepath.Join(home+".also", strconv.Itoa(i)) }

// Housed is a configuration of a strategy that is Inside another, and has its
// state in folders of its own, which are captured with it.
type Housed interface{ Folders() []Folder }

// Define returns the definition of a strategy whose configuration is C, a
// struct with hcl and help tags (see Schema). defaults holds the values of
// attributes that are not set. open MUST NOT touch anything: it is called at
// plan time too. It gets a copy of the configuration, whose references open.
func Define[C, S any](kind Kind[S], typ, summary string, defaults C, open func(C, Env) (S, error), options ...Option) Definition {
	d := Definition{
		Kind: kind, Type: typ, Summary: summary,
		schema: SchemaOf(defaults),
		newCfg: func() any { c := defaults; return &c },
	}
	d.open = func(cfg any, env Env) (any, error) { return open(*d.schema.Bind(cfg, env.Open).(*C), env) }
	for _, o := range options {
		o(&d)
	}
	return d
}

// Name is how the block begins, such as home "mirror".
func (d Definition) Name() string { return fmt.Sprintf("%s %q", d.Kind.Name(), d.Type) }

// Schema is what the block takes.
func (d Definition) Schema() Schema { return d.schema }

// Attributes of the block, in the order of the struct, without those of its
// nested blocks.
func (d Definition) Attributes() []Attribute { return d.schema.Attributes }

// NewConfig returns a pointer to a fresh configuration with its defaults.
func (d Definition) NewConfig() any { return d.newCfg() }

// Open is Kind.Open for a caller that does not know the kind. What it returns has
// the type that the kind opens.
func (d Definition) Open(cfg any, env Env) (any, error) { return d.open(cfg, env) }
