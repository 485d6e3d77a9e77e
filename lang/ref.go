package lang

import (
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"bkp/providers"
)

// decodeReference sets an attribute that leads to blocks.
func (l *loader) decodeReference(i *instance, prefix string, attr providers.Attribute, cfg any) bool {
	targets, ok := l.references(i, prefix, attr)
	if !ok {
		return false
	}
	addresses := make([]string, len(targets))
	for n, t := range targets {
		addresses[n] = t.address
	}
	attr.Refer(cfg, addresses)
	i.target.leads[prefix+attr.Name] = leads{to: targets, many: attr.Many()}
	return true
}

// refers are the addresses that a block leads to, sorted.
func (t *target) refers() []string {
	found := map[string]bool{}
	for _, l := range t.leads {
		for _, to := range l.to {
			found[to.address] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// references evaluates an attribute that leads to blocks.
func (l *loader) references(i *instance, prefix string, attr providers.Attribute) ([]*target, bool) {
	a, set := i.args[prefix+attr.Name]
	if !set {
		l.missingReference(i, prefix, attr)
		return nil, attr.Optional
	}
	val := l.value(a, i.each)
	at := a.expr.Range().Ptr()
	if !val.IsWhollyKnown() {
		l.mustKnow(val, at, fmt.Sprintf("The attribute %q of %s", attr.Name, i.address))
		return nil, false
	}
	if l.refuseSensitive(i, attr, a, val) {
		return nil, false
	}
	val, _ = val.UnmarkDeep()
	if val.IsNull() {
		l.missingReference(i, prefix, attr)
		return nil, attr.Optional
	}
	elements := []cty.Value{val}
	if attr.Many() {
		ty := val.Type()
		if !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
			l.report(problemAt(at, "Wrong value for an attribute",
				fmt.Sprintf("The attribute %q takes a list of references, but the value is %s.", attr.Name, described(val)),
				fmt.Sprintf("Write %s = [%s].", attr.Name, l.exampleOf(attr.Refers))))
			return nil, false
		}
		elements = val.AsValueSlice()
		if len(elements) == 0 && !attr.Optional {
			l.report(problemAt(at, "Missing attribute", fmt.Sprintf("The list %s of %s is empty.", attr.Name, i.address), l.addReference(attr)))
			return nil, false
		}
	}
	return l.targets(attr, a, elements)
}

// targets are the blocks that values lead to, each once.
func (l *loader) targets(attr providers.Attribute, a *argument, values []cty.Value) ([]*target, bool) {
	at := a.expr.Range().Ptr()
	var out []*target
	seen := map[string]bool{}
	for _, e := range values {
		if e.Type() != targetType || e.IsNull() || e.EncapsulatedValue().(*target).root != attr.Refers {
			l.report(problemAt(at, "Wrong kind of block",
				fmt.Sprintf("The attribute %q takes a reference to %s, but the value is %s.", attr.Name, providers.Articled(attr.Refers), described(e)),
				l.referenceRemedy(e, attr.Refers)))
			return nil, false
		}
		t := e.EncapsulatedValue().(*target)
		if seen[t.address] {
			l.report(problemAt(at, "Block is listed twice", fmt.Sprintf("The attribute %q lists %s twice.", attr.Name, t.address), "Remove one."))
			return nil, false
		}
		seen[t.address] = true
		out = append(out, t)
	}
	return out, true
}

// missingReference reports an attribute that is not set, unless it need not be
// or a misspelt one stands for it.
func (l *loader) missingReference(i *instance, prefix string, attr providers.Attribute) {
	if attr.Optional || i.meant[prefix+attr.Name] {
		return
	}
	at := i.around(prefix)
	if a, set := i.args[prefix+attr.Name]; set {
		at = a.expr.Range()
	}
	l.report(problemAt(&at, "Missing attribute", fmt.Sprintf("%s does not say its %s.", i.called(prefix), attr.Name), l.addReference(attr)))
}

// addReference shows how the attribute is set, and how to write that none is
// wanted, if a strategy stands for that.
func (l *loader) addReference(attr providers.Attribute) string {
	remedy := fmt.Sprintf("Add it, such as %s = %s", attr.Name, listedIf(attr.Many(), l.exampleOf(attr.Refers)))
	empty, ok := l.registry.Empty(attr.Refers)
	if !ok || l.exampleIs(attr.Refers, empty.Type) {
		return remedy + "."
	}
	address := fmt.Sprintf("%s.%s.x", attr.Refers, empty.Type)
	return fmt.Sprintf("%s; for none, declare %s \"x\" {} and write %s = %s.", remedy, empty.Name(), attr.Name, listedIf(attr.Many(), address))
}

func listedIf(many bool, value string) string {
	if many {
		return "[" + value + "]"
	}
	return value
}

// exampleOf is a reference that would fit, a declared one if there is one.
func (l *loader) exampleOf(root string) string {
	if v := l.fitting(root); v != nil {
		return v.address()
	}
	if l.hasTypes(root) {
		return root + ".STRATEGY.NAME"
	}
	return root + ".NAME"
}

// exampleIs reports whether exampleOf has that strategy.
func (l *loader) exampleIs(root, typ string) bool {
	v := l.fitting(root)
	return v != nil && v.typ == typ
}

// fitting is a vertex that a reference to a root could lead to.
func (l *loader) fitting(root string) *vertex {
	for _, v := range l.vertices {
		if v.root == root && v.forEach() == nil {
			return v
		}
	}
	return nil
}

// described names a value that is not what was wanted.
func described(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	ty := v.Type()
	switch {
	case ty == targetType:
		t := v.EncapsulatedValue().(*target)
		return fmt.Sprintf("%s, %s", t.address, providers.Articled(t.root))
	case ty == cty.String:
		return "a text"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case ty.IsTupleType(), ty.IsListType():
		return "a list"
	case ty.IsSetType():
		return "a set"
	case ty.IsMapType():
		return "a map"
	}
	return "an object"
}

// referenceRemedy says how to write a reference to a block of that kind in
// the place of v.
func (l *loader) referenceRemedy(v cty.Value, root string) string {
	remedy := fmt.Sprintf("Refer to %s, such as %s", providers.Articled(root), l.exampleOf(root))
	switch ty := v.Type(); {
	case v.IsNull():
	case ty == cty.String:
		remedy = fmt.Sprintf("Write a reference without quotes, or in JSON as \"${…}\", such as %s", l.exampleOf(root))
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		remedy = fmt.Sprintf("Write one reference without brackets, such as %s", l.exampleOf(root))
	case ty.IsObjectType() || ty.IsMapType():
		remedy = fmt.Sprintf("Choose one with its name, such as %s, or its key, such as %s.NAME[\"KEY\"]", l.exampleOf(root), l.rootAndStrategy(root))
	}
	return remedy + "."
}

func (l *loader) rootAndStrategy(root string) string {
	if l.hasTypes(root) {
		return root + ".STRATEGY"
	}
	return root
}
