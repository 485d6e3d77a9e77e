package lang

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"bkp/providers"
)

// vertex is a declaration: one node of the graph of references.
type vertex struct {
	// root, with typ and name, makes the address that references use. typ is ""
	// where the address has none.
	root, typ, name string
	rng             hcl.Range
	// args is what the block sets, by name; those of nested blocks are called
	// lock.budget, and rule[1].path in the second of several blocks.
	args map[string]*argument
	// nested are the heads of the nested blocks, as lock and rule[1].
	nested map[string]hcl.Range
	// unknown is set if there is no such strategy; meant are attributes that
	// misspelt ones probably stand for.
	unknown bool
	meant   map[string]bool
	// broken vertices have been reported, or stand in a file that has syntax
	// errors. They are not decoded, and complain of nothing more.
	broken   bool
	variable *variable
	// assertions of a check, or of the validations of a variable.
	assertions []assertion
	def        providers.Definition
	// value is what a reference yields.
	value cty.Value
	// What the block stands for; more than one with for_each.
	components []*Component
	retentions []*Retention
	instances  []*Instance
}

func (v *vertex) address() string { return address(v.root, v.typ, v.name) }

func (v *vertex) forEach() *argument { return v.args[forEachName] }

func address(root, typ, name string) string {
	if typ == "" {
		return root + "." + name
	}
	return root + "." + typ + "." + name
}

// schema is what the block is decoded by; check and variable blocks have none.
func (v *vertex) schema() providers.Schema {
	switch {
	case v.typ != "":
		return v.def.Schema()
	case v.root == rootInstance:
		return instanceSchema
	case v.root == rootRetention:
		return retentionSchema
	case v.root == rootSettings:
		return settingsSchema
	}
	return providers.Schema{}
}

// anyIndex is the number of one of several nested blocks.
var anyIndex = regexp.MustCompile(`\[[0-9]+\]`)

// attribute finds what is known of an argument of the block.
func (v *vertex) attribute(path string) (providers.Attribute, bool) {
	s := v.schema()
	steps := strings.Split(anyIndex.ReplaceAllString(path, ""), ".")
	for _, step := range steps[:len(steps)-1] {
		i := slices.IndexFunc(s.Blocks, func(b providers.Block) bool { return b.Name == step })
		if i < 0 {
			return providers.Attribute{}, false
		}
		s = s.Blocks[i].Schema
	}
	i := slices.IndexFunc(s.Attributes, func(a providers.Attribute) bool { return a.Name == steps[len(steps)-1] })
	if i < 0 {
		return providers.Attribute{}, false
	}
	return s.Attributes[i], true
}

// place is what the next nested block is called, and whether one of that name
// is there already.
func (v *vertex) place(prefix string, b Block) (path string, again bool) {
	if !b.Repeatable {
		_, again = v.nested[prefix+b.Name]
		return prefix + b.Name, again
	}
	for n := 0; ; n++ {
		path = indexed(prefix+b.Name, n)
		if _, taken := v.nested[path]; !taken {
			return path, false
		}
	}
}

// indexed is the name of one of several nested blocks.
func indexed(path string, n int) string { return fmt.Sprintf("%s[%d]", path, n) }

// places are the nested blocks at a path that there are.
func (v *vertex) places(path string, b providers.Block) []string {
	if !b.Repeatable() {
		if _, there := v.nested[path]; there {
			return []string{path}
		}
		return nil
	}
	var out []string
	for n := 0; ; n++ {
		if _, there := v.nested[indexed(path, n)]; !there {
			return out
		}
		out = append(out, indexed(path, n))
	}
}
