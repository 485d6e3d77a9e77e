package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"bkp/lang/funcs"
	"bkp/providers"
)

// Schema is the whole language: what the reference is written from.
type Schema struct {
	Blocks     []Block     `json:"blocks,omitempty"`
	Strategies []Strategy  `json:"strategies,omitempty"`
	Functions  []funcs.Doc `json:"functions,omitempty"`
}

// Block is a kind of block. The decoder takes what stands here, and nothing
// else.
type Block struct {
	Name    string   `json:"name"`
	Labels  []string `json:"labels,omitempty"`
	Summary string   `json:"summary"`
	// Details are sentences about what the attributes do not show.
	Details string `json:"details,omitempty"`
	// Repeatable nested blocks may stand more than once.
	Repeatable bool `json:"repeatable,omitempty"`
	// Required nested blocks must be there.
	Required bool `json:"required,omitempty"`
	// AnyAttribute takes attributes of any name.
	AnyAttribute bool `json:"any_attribute,omitempty"`
	// Attributes of a block that has strategies are those of the Strategy.
	Attributes []Attribute `json:"attributes,omitempty"`
	Blocks     []Block     `json:"blocks,omitempty"`
	Example    string      `json:"example,omitempty"`
}

// Attribute is one attribute of a block.
type Attribute struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Help string `json:"help"`
	// Optional attributes have a Default as it would be written, or Unset
	// says what happens without them.
	Optional  bool   `json:"optional"`
	Default   string `json:"default,omitempty"`
	Unset     string `json:"unset,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
}

// Strategy is a block type that has one, such as home "mirror".
type Strategy struct {
	Kind       string      `json:"kind"`
	Type       string      `json:"type"`
	Summary    string      `json:"summary"`
	Attributes []Attribute `json:"attributes"`
	Blocks     []Block     `json:"blocks,omitempty"`
	Example    string      `json:"example"`
}

// Name is how the block begins, such as home "mirror".
func (s Strategy) Name() string { return fmt.Sprintf("%s %q", s.Kind, s.Type) }

// Address is such as home.mirror.
func (s Strategy) Address() string { return s.Kind + "." + s.Type }

// Describe returns the language with the strategies of the registry.
func Describe(r *providers.Registry) Schema {
	g := newGrammar(r)
	s := Schema{Blocks: g.blocks, Functions: funcs.List()}
	for _, def := range g.registry.Definitions() {
		body := strategyBody(def)
		s.Strategies = append(s.Strategies, Strategy{
			Kind: def.Kind.Name(), Type: def.Type, Summary: def.Summary,
			Attributes: body.Attributes, Blocks: body.Blocks, Example: exampleBlock(def),
		})
	}
	return s
}

// documentedBody is what a block takes that is decoded into a struct.
func documentedBody(s providers.Schema) Block {
	var out Block
	for _, a := range s.Attributes {
		out.Attributes = append(out.Attributes, Attribute{
			Name: a.Name, Type: strings.TrimSuffix(a.TypeName(), " (sensitive)"), Help: a.Help,
			Optional: a.Optional, Default: a.DefaultText(), Unset: a.Unset, Sensitive: a.Secret,
		})
	}
	for _, b := range s.Blocks {
		nested := documentedBody(b.Schema)
		nested.Name, nested.Summary, nested.Repeatable, nested.Required = b.Name, b.Help, b.Repeatable(), b.Required()
		out.Blocks = append(out.Blocks, nested)
	}
	return out
}

// exampleBlock sets what must be set, and what has an example.
func exampleBlock(def providers.Definition) string {
	text := fmt.Sprintf("%s %q {", def.Name(), exampleName)
	if lines := exampleLines(def.Schema()); len(lines) > 0 {
		text += "\n" + strings.Join(lines, "\n") + "\n"
	}
	return formatted(text + "}\n")
}

// exampleLines are the attributes that have an example, and the nested blocks
// with such ones.
func exampleLines(s providers.Schema) []string {
	var out []string
	for _, a := range s.Attributes {
		if text := a.ExampleText(); text != "" {
			out = append(out, a.Name+" = "+text)
		}
	}
	for _, b := range s.Blocks {
		if inner := exampleLines(b.Schema); len(inner) > 0 {
			out = slices.Concat(out, []string{"", b.Name + " {"}, inner, []string{"}"})
		}
	}
	return out
}

func formatted(text string) string { return string(hclwrite.Format([]byte(text))) }

// takes reports whether the block has an attribute of that name.
func (b Block) takes(name string) bool {
	return slices.ContainsFunc(b.Attributes, func(a Attribute) bool { return a.Name == name })
}

// body is what the block may contain. Every attribute may be absent for it:
// the decoder reports what is missing, with its help.
func (b Block) body() *hcl.BodySchema {
	s := &hcl.BodySchema{Blocks: headers(b.Blocks)}
	for _, a := range b.Attributes {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: a.Name})
	}
	return s
}

func headers(blocks []Block) []hcl.BlockHeaderSchema {
	var out []hcl.BlockHeaderSchema
	for _, b := range blocks {
		out = append(out, hcl.BlockHeaderSchema{Type: b.Name, LabelNames: b.Labels})
	}
	return out
}
