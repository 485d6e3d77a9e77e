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
	// Details are sentences about what the attributes do not tell.
	Details string `json:"details,omitempty"`
	// Repeatable nested blocks may stand more than once.
	Repeatable bool `json:"repeatable,omitempty"`
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
	// tells what happens without them.
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
	Example    string      `json:"example"`
}

// Name is how the block begins, such as home "mirror".
func (s Strategy) Name() string { return fmt.Sprintf("%s %q", s.Kind, s.Type) }

// Address is such as home.mirror.
func (s Strategy) Address() string { return s.Kind + "." + s.Type }

// Describe returns the language with the strategies of the registry.
func Describe(r *providers.Registry) Schema {
	s := Schema{Blocks: slices.Clone(language), Functions: funcs.List()}
	for _, kind := range providers.Kinds() {
		for _, typ := range r.Types(kind) {
			def, _ := r.Lookup(kind, typ)
			s.Strategies = append(s.Strategies, Strategy{
				Kind: string(kind), Type: typ, Summary: def.Summary,
				Attributes: append(documented(def.Attributes()), forEachAttribute),
				Example:    exampleBlock(def),
			})
		}
	}
	return s
}

// documented are attributes that are decoded into structs.
func documented(attrs []providers.Attribute) []Attribute {
	var out []Attribute
	for _, a := range attrs {
		out = append(out, Attribute{
			Name: a.Name, Type: strings.TrimSuffix(a.TypeName(), " (sensitive)"), Help: a.Help,
			Optional: a.Optional, Default: a.DefaultText(), Unset: a.Unset, Sensitive: a.Secret,
		})
	}
	return out
}

// exampleBlock sets what must be set, and what has an example.
func exampleBlock(def providers.Definition) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s \"main\" {", def.Name())
	for _, a := range def.Attributes() {
		if text := a.ExampleText(); text != "" {
			fmt.Fprintf(&b, "\n%s = %s", a.Name, text)
		}
	}
	text := b.String()
	if strings.Contains(text, "\n") {
		text += "\n"
	}
	return string(hclwrite.Format([]byte(text + "}\n")))
}

// blockOf finds a block of the language by the way to it, such as
// blockOf("instance", "lock").
func blockOf(path ...string) Block {
	blocks, found := language, Block{}
	for _, name := range path {
		i := slices.IndexFunc(blocks, func(b Block) bool { return b.Name == name })
		found, blocks = blocks[i], blocks[i].Blocks
	}
	return found
}

// body is what the block may contain. Every attribute may be absent for it:
// the decoder tells what is missing, with its help.
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
