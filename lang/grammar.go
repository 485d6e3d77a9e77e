package lang

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"bkp/providers"
)

// grammar is the language with the strategies of a registry: what the decoder
// takes, and what the reference shows.
type grammar struct {
	registry *providers.Registry
	// blocks are all of the top level.
	blocks   []Block
	topLevel *hcl.BodySchema
	// start is how a block of the top level begins.
	start *regexp.Regexp
	// roots are the first words of references.
	roots []string
	// lists are what a check sees below bkp: all blocks of a root, whatever their
	// strategy, one by one. They are the roots by the name of the list.
	lists map[string]string
}

func newGrammar(r *providers.Registry) *grammar {
	if r == nil {
		r = providers.NewRegistry()
	}
	g := &grammar{registry: r, lists: map[string]string{"instances": rootInstance, "retentions": rootRetention}}
	g.roots = []string{rootVar, rootLocal}
	for _, k := range r.Kinds() {
		g.lists[k.About().Plural] = k.Name()
		g.roots = append(g.roots, k.Name())
	}
	g.roots = append(g.roots, rootRetention, rootInstance, rootEach)
	g.blocks = g.language()
	g.topLevel = &hcl.BodySchema{Blocks: headers(g.blocks)}
	g.start = startOf(slices.Concat(schemaNames(g.topLevel), keys(terraformBlocks)))
	return g
}

// language is every block that there is.
func (g *grammar) language() []Block {
	own := ownBlocks()
	at := slices.IndexFunc(own, func(b Block) bool { return b.Name == rootRetention })
	own[slices.IndexFunc(own, func(b Block) bool { return b.Name == rootInstance })].Example = g.instanceExample()
	check := &own[slices.IndexFunc(own, func(b Block) bool { return b.Name == rootCheck })]
	check.Blocks[0].Details = fmt.Sprintf("It sees blocks as objects with their attributes, address and name, and those that have one with their strategy; and all blocks of a kind as the lists bkp.%s.",
		strings.Join(slices.Sorted(maps.Keys(g.lists)), ", bkp."))
	var kinds []Block
	for _, k := range g.registry.Kinds() {
		kinds = append(kinds, Block{Name: k.Name(), Labels: []string{"strategy", "name"}, Summary: k.About().Summary})
	}
	return slices.Insert(own, at, kinds...)
}

// hasTypes reports whether blocks of this root have a strategy.
func (g *grammar) hasTypes(root string) bool {
	_, ok := g.registry.Kind(root)
	return ok
}

// bodyOf is what a vertex's block may contain.
func (g *grammar) bodyOf(v *vertex) Block {
	if v.typ != "" {
		return strategyBody(v.def)
	}
	for _, b := range g.blocks {
		if b.Name == v.root {
			return b
		}
	}
	return Block{}
}

// strategyBody is what a block of a strategy may contain.
func strategyBody(def providers.Definition) Block {
	b := documentedBody(def.Schema())
	b.Name = def.Kind.Name()
	b.Attributes = append(b.Attributes, forEachAttribute)
	return b
}

func (g *grammar) listNames() []string {
	var names []string
	for _, name := range keys(g.lists) {
		names = append(names, rootSettings+"."+name)
	}
	return names
}

// instanceExample refers to the examples of the strategies.
func (g *grammar) instanceExample() string {
	var b strings.Builder
	b.WriteString("instance \"prod\" {\n")
	for _, a := range exampleLines(instanceSchema) {
		b.WriteString(a + "\n")
	}
	for _, a := range instanceSchema.Attributes {
		if a.Refers == "" || a.Optional && a.Many() {
			continue
		}
		value := g.exampleAddress(a.Refers)
		if a.Many() {
			value = "[" + value + "]"
		}
		fmt.Fprintf(&b, "%s = %s\n", a.Name, value)
	}
	b.WriteString("\nlock {\nbudget = \"10m\"\n}\n}\n")
	return formatted(b.String())
}

// exampleAddress is where the example of a kind stands.
func (g *grammar) exampleAddress(root string) string {
	def, ok := g.registry.Example(root)
	switch {
	case ok:
		return root + "." + def.Type + "." + exampleName
	case g.hasTypes(root):
		return root + ".STRATEGY.NAME"
	case root == rootRetention:
		return root + "." + exampleRetention
	default:
		return root + ".NAME"
	}
}

// The names of what examples refer to.
const (
	exampleName      = "main"
	exampleRetention = "standard"
)
