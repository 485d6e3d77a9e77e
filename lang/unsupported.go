package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"bkp/internal/suggest"
	"bkp/providers"
)

// unsupported replaces the suggestion of hcl, which does not consider what is
// set already and often has none. It returns the names that were probably
// meant.
func (l *loader) unsupported(diags hcl.Diagnostics, in Block, what string) (meant []string) {
	for _, d := range diags {
		if !isUnsupported(d) {
			continue
		}
		name := l.sourceOf(d.Subject)
		first, _, _ := strings.Cut(d.Detail, " Did you ")
		remedy, n := l.unsupportedRemedy(name, d.Summary, in, what)
		if n != "" {
			meant = append(meant, n)
		}
		setDetail(d, first, remedy)
	}
	return meant
}

// unsupportedRemedy says what to do about a name that does not fit, and which
// name was meant, if it can be guessed.
func (g *grammar) unsupportedRemedy(name, summary string, in Block, what string) (remedy, meant string) {
	names, top := schemaNames(in.body()), in.Name == ""
	isBlock := summary == "Unsupported block type"
	if slices.Contains(names, name) {
		if isBlock {
			return fmt.Sprintf("It is an attribute: write %s = ….", name), name
		}
		return fmt.Sprintf("It is a block: write %s { … } without the equals sign.", name), name
	}
	for _, nested := range in.Blocks {
		if nested.takes(name) && !top {
			return fmt.Sprintf("It belongs in its block %s { … }.", nested.Name), ""
		}
	}
	if summary == "Extraneous JSON object property" && strings.HasPrefix(name, "_") {
		return `For a comment, write "//": "…".`, ""
	}
	if remedy, ok := terraformName(name, isBlock, top); ok {
		return remedy, ""
	}
	if n := suggest.Nearest(name, names); n != "" {
		return fmt.Sprintf("Did you mean %q?", n), n
	}
	if parent, ok := g.parentOf(name, isBlock); ok {
		return fmt.Sprintf("It belongs %s.", parent), ""
	}
	if len(names) == 0 {
		return what + " takes nothing: remove it.", ""
	}
	return what + " takes " + strings.Join(names, ", ") + ".", ""
}

// terraformName is the remedy for what Terraform would take here.
func terraformName(name string, isBlock, top bool) (string, bool) {
	remedy, ok := terraformAttributes[name]
	if isBlock || !ok && top {
		remedy, ok = terraformBlocks[name]
	}
	return remedy, ok
}

// parentOf returns where a block or an attribute may stand, if that is one place.
func (g *grammar) parentOf(name string, isBlock bool) (string, bool) {
	var found []string
	for _, b := range g.blocks {
		switch {
		case isBlock && b.Name == name:
			return "to the top level of the configuration", true
		case isBlock && slices.ContainsFunc(b.Blocks, func(n Block) bool { return n.Name == name }),
			b.takes(name):
			found = append(found, "into "+providers.Articled(b.Name)+" block")
		}
		for _, n := range b.Blocks {
			if n.takes(name) {
				found = append(found, "into "+providers.Articled(n.Name)+" block")
			}
		}
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}

func isUnsupported(d *hcl.Diagnostic) bool {
	switch d.Summary {
	case "Unsupported argument", "Unsupported block type", "Extraneous JSON object property":
		return true
	}
	return false
}
