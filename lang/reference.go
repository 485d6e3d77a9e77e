package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"bkp/internal/suggest"
)

// reference is what one traversal of an expression leads to.
type reference struct {
	// to are the vertices: one, or all below a root or a strategy where the
	// expression takes them as a whole, as home.mirror[*] does.
	to []*vertex
	// root and, if the traversal names it, typ.
	root, typ string
	rng       hcl.Range
}

// link finds what the expressions of a vertex refer to.
func (l *loader) link(v *vertex) {
	for _, name := range sortedNames(v.args) {
		a := v.args[name]
		if v.broken && l.wasMisread(a.rng) {
			a.broken = true
			continue
		}
		for _, t := range a.expr.Variables() {
			ref, d := l.resolve(t, v, name)
			if d != nil && isSecret(v, name) && !slices.Contains(l.roots, t.RootName()) && !strings.HasPrefix(l.sourceAt(a.expr.Range()), `"`) {
				d = l.unquotedSecret(t, name)
			}
			if d != nil {
				l.report(d)
			}
			if ref == nil {
				a.broken = true
				continue
			}
			a.refs = append(a.refs, *ref)
		}
	}
}

// wasMisread reports whether a syntax error stands in those lines, so that what
// the parser made of them means nothing.
func (l *loader) wasMisread(r hcl.Range) bool {
	return slices.ContainsFunc(l.misread, func(m hcl.Range) bool {
		return m.Filename == r.Filename && r.Start.Line <= m.Start.Line && m.Start.Line <= r.End.Line
	})
}

// unquotedSecret does not repeat a word that is probably a secret for which
// somebody forgot the quotes.
func (l *loader) unquotedSecret(t hcl.Traversal, path string) *hcl.Diagnostic {
	attr := path[strings.LastIndex(path, ".")+1:]
	at := t.SourceRange()
	l.config.masked = append(l.config.masked, at)
	return problemAt(&at, "Unknown reference", fmt.Sprintf("The value of %q has a word that means nothing here.", attr),
		fmt.Sprintf("Take the secret from the environment or a file: %s = env(\"NAME\") or file(\"/path\").", attr))
}

// resolve returns nil if the traversal leads nowhere, and no diagnostic with
// it if that has been reported already.
func (l *loader) resolve(t hcl.Traversal, from *vertex, attr string) (*reference, *hcl.Diagnostic) {
	rng := t.SourceRange()
	ref := &reference{root: t.RootName(), rng: rng}
	switch {
	case ref.root == rootSettings && from.root == rootCheck:
		return l.resolveList(ref, t)
	case ref.root == rootEach:
		return l.resolveEach(ref, t, from, attr)
	case ref.root == rootVar, ref.root == rootLocal, ref.root == rootInstance, ref.root == rootRetention:
		return l.resolveName(ref, t[1:], from)
	case l.hasTypes(ref.root):
		typ, ok := stepName(t[1:])
		if !ok {
			return l.whole(ref), nil
		}
		ref.typ = typ
		if d := l.withoutStrategy(ref); d != nil {
			return nil, d
		}
		return l.resolveName(ref, t[2:], from)
	}
	return nil, l.unknownRoot(ref, t, from)
}

// unknownRoot reports a reference whose first word means nothing.
func (l *loader) unknownRoot(ref *reference, t hcl.Traversal, from *vertex) *hcl.Diagnostic {
	report := func(remedy string) *hcl.Diagnostic {
		return problemAt(&ref.rng, "Unknown reference", fmt.Sprintf("The name %q is unknown.", ref.root), remedy)
	}
	if remedy, ok := map[string]string{
		"locals": "Did you mean local?", "variable": "Did you mean var?", "variables": "Did you mean var?",
	}[ref.root]; ok {
		return report(remedy)
	}
	name, _ := stepName(t[1:])
	if remedy, ok := terraformRoots[ref.root]; ok && name != "" {
		return report(remedy)
	}
	if ref.root == "env" && name != "" {
		return report(fmt.Sprintf("Write env(%q).", name))
	}
	if ref.root == rootSettings || ref.root == rootCheck {
		return report(map[string]string{
			rootSettings: "The lists below bkp are known in check blocks only; name the blocks instead.",
			rootCheck:    "A check is evaluated by bkp validate and bkp plan, and has no value.",
		}[ref.root])
	}
	if short := l.shortOf(ref.root, name); len(short) > 0 {
		return report("Did you mean " + strings.Join(short, " or ") + "?")
	}
	if n := suggest.Nearest(ref.root, l.roots); n != "" && name != "" {
		return report("Did you mean " + n + "?")
	}
	if len(t) == 1 {
		return report(fmt.Sprintf("If it is a text, write it in quotes: %q.", ref.root))
	}
	known := l.roots
	if from.root == rootCheck {
		known = append(slices.Clone(l.roots), rootSettings)
	}
	return report(didYouMean("", known, ""))
}

// shortOf are the addresses of blocks if only their end was written, such
// as mirror.main or main, and of variables and locals of that name.
func (l *loader) shortOf(root, name string) []string {
	var out []string
	for _, v := range l.vertices {
		switch {
		case v.root == rootSettings, v.root == rootCheck, v.root == rootValidation:
		case v.typ == root && v.typ != "" && v.name == name, name == "" && v.name == root:
			out = append(out, v.address())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// withoutStrategy refuses home.main, where home.mirror.main is meant.
func (l *loader) withoutStrategy(ref *reference) *hcl.Diagnostic {
	if _, known := l.registry.Lookup(ref.root, ref.typ); known {
		return nil
	}
	var meant []string
	for _, v := range l.vertices {
		if v.root == ref.root && v.typ == ref.typ {
			return nil // its strategy is unknown, and that is reported
		}
		if v.root == ref.root && v.name == ref.typ {
			meant = append(meant, v.address())
		}
	}
	if len(meant) == 0 {
		return nil
	}
	return problemAt(&ref.rng, "Reference without a strategy", fmt.Sprintf("%s.%s names no strategy.", ref.root, ref.typ),
		"Did you mean "+strings.Join(meant, " or ")+"?")
}

func (l *loader) resolveEach(ref *reference, t hcl.Traversal, from *vertex, attr string) (*reference, *hcl.Diagnostic) {
	if from.forEach() == nil || attr == forEachName {
		return nil, problemAt(&ref.rng, "Unknown reference", "The value each is known only inside of a block that has for_each.",
			eachRemedy(from, attr))
	}
	if name, ok := stepName(t[1:]); !ok || (name != "key" && name != "value") {
		return nil, problemAt(&ref.rng, "Unknown reference", "The value each has a key and a value only.", "Write each.key or each.value.")
	}
	return ref, nil
}

func eachRemedy(from *vertex, attr string) string {
	switch {
	case attr == forEachName:
		return "Use what for_each iterates over instead: each stands for one element of it."
	case from.root == rootLocal || from.root == rootValidation:
		return "Write the expression into the block that has for_each."
	}
	return "Set for_each in this block, or refer to something else."
}

// resolveName follows the steps from the name on.
func (l *loader) resolveName(ref *reference, steps hcl.Traversal, from *vertex) (*reference, *hcl.Diagnostic) {
	name, ok := stepName(steps)
	if !ok {
		return l.whole(ref), nil
	}
	v, declared := l.declared[address(ref.root, ref.typ, name)]
	if !declared {
		return nil, l.undeclared(ref, name)
	}
	ref.to = []*vertex{v}
	if ref.root == rootVar || ref.root == rootLocal || from.root == rootCheck {
		return ref, nil
	}
	return l.intoBlock(ref, v, steps[1:])
}

// intoBlock refuses steps beyond a block: a block is a thing to refer to, not
// an object.
func (l *loader) intoBlock(ref *reference, v *vertex, steps hcl.Traversal) (*reference, *hcl.Diagnostic) {
	if len(steps) == 0 || v.args == nil {
		return ref, nil
	}
	if v.forEach() != nil {
		if len(steps) == 1 {
			return ref, nil
		}
		steps = steps[1:]
	}
	if _, index := steps[0].(hcl.TraverseIndex); index {
		return nil, problemAt(&ref.rng, "Block has no instances",
			fmt.Sprintf("%s has no for_each, so there is only one of it.", v.address()), "Write "+v.address()+".")
	}
	name, _ := stepName(steps)
	return nil, problemAt(&ref.rng, "Attributes of a block cannot be referred to",
		fmt.Sprintf("%s is a reference to a block, and its attribute %q cannot be read through it.", v.address(), name),
		"Put the value that both need into locals, and refer to that in both places.")
}

func (l *loader) undeclared(ref *reference, name string) *hcl.Diagnostic {
	if l.incomplete || l.hidden[ref.root] {
		return nil
	}
	var names, elsewhere []string
	for _, v := range l.vertices {
		if v.root != ref.root {
			continue
		}
		if v.unknown && (v.name == name || v.typ == name) {
			return nil // its strategy is misspelt, or stands second, and that is reported
		}
		if v.typ == ref.typ {
			names = append(names, v.address())
		} else if v.name == name {
			elsewhere = append(elsewhere, v.address())
		}
	}
	wanted := address(ref.root, ref.typ, name)
	remedy := didYouMean(wanted, names, declareHint(ref.root, ref.typ, name))
	other := map[string]string{rootVar: rootLocal, rootLocal: rootVar}[ref.root]
	if _, ok := l.declared[address(other, "", name)]; ok && other != "" {
		elsewhere = []string{address(other, "", name)}
	}
	if suggest.Nearest(wanted, names) == "" && len(elsewhere) > 0 {
		remedy = "Did you mean " + strings.Join(elsewhere, " or ") + "?"
	}
	return problemAt(&ref.rng, "Reference to something undeclared", wanted+" is not declared.", remedy)
}

func declareHint(root, typ, name string) string {
	switch {
	case root == rootVar:
		return fmt.Sprintf("Declare it: variable %q {}.", name)
	case root == rootLocal:
		return fmt.Sprintf("Declare it: locals { %s = … }.", name)
	case typ != "":
		return fmt.Sprintf("Declare it: %s %q %q { … }.", root, typ, name)
	default:
		return fmt.Sprintf("Declare it: %s %q { … }.", root, name)
	}
}

// whole refers to everything below a root or a strategy.
func (l *loader) whole(ref *reference) *reference {
	for _, v := range l.vertices {
		if v.root == ref.root && (ref.typ == "" || v.typ == ref.typ) {
			ref.to = append(ref.to, v)
		}
	}
	return ref
}

// stepName returns the name of the first step, written .name or ["name"].
func stepName(steps hcl.Traversal) (string, bool) {
	if len(steps) == 0 {
		return "", false
	}
	switch s := steps[0].(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString(), true
		}
	}
	return "", false
}
