package lang

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"bkp/internal/secret"
	"bkp/lang/funcs"
)

// target is what a reference to a block yields, inside of a capsule.
type target struct {
	root, typ, name, address string
	vertex                   *vertex
	// leads are what references of the block lead to, by attribute.
	leads map[string]leads
	// object is how checks see the block, once one did.
	object cty.Value
}

// leads is where an attribute leads that refers to blocks.
type leads struct {
	to   []*target
	many bool
}

// MarshalJSON lets jsonencode show the address.
func (t *target) MarshalJSON() ([]byte, error) { return json.Marshal(t.address) }

// targetType is one type for all blocks, so that a conditional can choose
// between them and a list hold them.
var targetType = cty.CapsuleWithOps("reference to a block", reflect.TypeFor[target](), &cty.CapsuleOps{
	GoString:     func(v any) string { return v.(*target).address },
	TypeGoString: func(reflect.Type) string { return "reference" },
	RawEquals:    func(a, b any) bool { return a.(*target).address == b.(*target).address },
	HashKey:      func(v any) string { return v.(*target).address },
})

// evaluate computes what references to the vertex yield, and decodes it.
func (l *loader) evaluate(v *vertex) {
	switch v.root {
	case rootVar:
		v.value = l.afford(l.variableValue(v), v.rng)
	case rootLocal:
		v.value = cty.DynamicVal
		if !v.broken {
			v.value = l.value(v.args[""], nil)
		}
	case rootSettings:
		l.settings(v)
	case rootValidation:
		l.validate(v)
	case rootCheck:
		l.check(v)
	default:
		l.evaluateBlock(v)
	}
}

// evaluateBlock decodes each instance of a block.
func (l *loader) evaluateBlock(v *vertex) {
	if v.broken {
		v.value = cty.DynamicVal
		// Without arguments, in a file with syntax errors, nobody knows whether
		// it has for_each.
		if v.args != nil && v.forEach() == nil {
			v.value = cty.CapsuleVal(targetType, &target{root: v.root, address: v.address(), vertex: v})
		}
		return
	}
	if v.forEach() == nil {
		v.value = cty.CapsuleVal(targetType, l.decodeBlock(&instance{vertex: v, address: v.address()}))
		return
	}
	keys, ok := l.keys(v)
	if !ok {
		v.value = cty.DynamicVal
		return
	}
	values := map[string]cty.Value{}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		i := &instance{vertex: v, key: key, address: fmt.Sprintf("%s[%q]", v.address(), key)}
		i.each = eachOf(key, keys[key])
		values[key] = cty.CapsuleVal(targetType, l.decodeBlock(i))
	}
	v.value = cty.ObjectVal(values)
}

func eachOf(key string, value cty.Value) map[string]cty.Value {
	return map[string]cty.Value{rootEach: cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": value})}
}

// instance is one of the things that a block stands for.
type instance struct {
	*vertex
	address string
	key     string
	each    map[string]cty.Value
	// target is what references to it yield.
	target *target
	// bad are attributes that could not be decoded.
	bad map[string]bool
}

func (l *loader) decodeBlock(i *instance) *target {
	t := &target{root: i.root, typ: i.typ, name: i.label(), address: i.address, vertex: i.vertex, leads: map[string]leads{}}
	i.target, i.bad = t, map[string]bool{}
	switch i.root {
	case rootInstance:
		l.decodeInstance(i)
	case rootRetention:
		l.decodeRetention(i)
	default:
		l.decodeComponent(i)
	}
	for _, address := range t.refers() {
		l.used[address] = true
	}
	return t
}

// eachKey is safe as a part of a file name, and of a backup's id.
var eachKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// keys evaluates for_each.
func (l *loader) keys(v *vertex) (map[string]cty.Value, bool) {
	a := v.forEach()
	val := l.value(a, nil)
	if !val.IsWhollyKnown() {
		l.mustKnow(val, a.expr.Range().Ptr(), "for_each of "+v.address())
		return nil, false
	}
	if funcs.Has(val, funcs.Sensitive) {
		l.report(problemAt(a.expr.Range().Ptr(), "Invalid for_each", "The value is sensitive, and its keys would be shown.",
			"Iterate over names that are no secrets, and look the secrets up by each.key."))
		return nil, false
	}
	val, marks := val.Unmark()
	ty := val.Type()
	isSet := ty.IsSetType() && (ty.ElementType() == cty.String || val.IsKnown() && !val.IsNull() && val.LengthInt() == 0)
	if val.IsNull() || !isSet && !ty.IsMapType() && !ty.IsObjectType() {
		l.report(problemAt(a.expr.Range().Ptr(), "Invalid for_each", "The value is "+described(val)+".", forEachRemedy(val)))
		return nil, false
	}
	out, good := map[string]cty.Value{}, true
	for it := val.ElementIterator(); it.Next(); {
		k, each := it.Element()
		key, _ := k.Unmark()
		if key.IsNull() || !eachKey.MatchString(key.AsString()) {
			l.report(problemAt(a.expr.Range().Ptr(), "Invalid for_each", fmt.Sprintf("%s cannot be a key.", quoted(k)),
				"Begin with a letter or digit, go on with letters, digits, dots, underscores and dashes, and use 64 at most."))
			good = false
			continue
		}
		out[key.AsString()] = each.WithMarks(marks)
	}
	return out, good
}

// forEachRemedy turns what was given into what for_each takes.
func forEachRemedy(v cty.Value) string {
	const all = `Give a map, an object or a set of texts, such as toset(["a", "b"]).`
	ty := v.Type()
	switch {
	case v.IsNull():
		return "For none, give an empty set, as toset([]); for one without a key, leave for_each out."
	case ty.IsListType() && ty.ElementType() == cty.String, ty.IsTupleType() && !slices.ContainsFunc(ty.TupleElementTypes(), func(e cty.Type) bool { return e != cty.String }):
		return "Put toset(…) around it: the texts are the keys then."
	case (ty.IsTupleType() || ty.IsListType() || ty.IsSetType()) && elementIs(ty, cty.Number):
		return `Make the keys texts, as in toset([for n in list : "n${n}"]).`
	case ty.IsTupleType(), ty.IsListType(), ty.IsSetType():
		return "Make an object with a key for each, as in { for x in list : x.name => x }."
	}
	return all
}

func elementIs(ty, want cty.Type) bool {
	if ty.IsTupleType() {
		return ty.Length() > 0 && ty.TupleElementType(0) == want
	}
	return ty.ElementType() == want
}

// quoted shows a text, unless it came from outside.
func quoted(v cty.Value) string {
	if funcs.Has(v, funcs.External) {
		return "A text from outside"
	}
	if v.IsNull() {
		return "null"
	}
	return fmt.Sprintf("%q", v.AsString())
}

// value evaluates an expression. An error is reported, and makes it unknown.
func (l *loader) value(a *argument, each map[string]cty.Value) cty.Value {
	if a.broken {
		return cty.DynamicVal
	}
	if a.scope == nil {
		a.scope = l.scope(a)
		a.expr = l.meter(a.expr)
	}
	ctx := a.scope
	if each != nil {
		ctx = ctx.NewChild()
		ctx.Variables = each
	}
	val, diags := a.expr.Value(ctx)
	l.report(l.redact(diags)...)
	if diags.HasErrors() {
		return cty.DynamicVal
	}
	return l.afford(val, a.expr.Range())
}

// afford returns a value, or unknown if it is too large.
func (l *loader) afford(v cty.Value, at hcl.Range) cty.Value {
	d, ok := l.budget.spend(v, at)
	if d != nil {
		l.report(d)
	}
	if !ok {
		return cty.DynamicVal
	}
	return v
}

// scope holds what an expression refers to, and no more: its cost must not
// grow with the configuration.
func (l *loader) scope(a *argument) *hcl.EvalContext {
	show := (*vertex).known
	if a.objects {
		show = l.view
	}
	flat := map[string]map[string]cty.Value{}
	typed := map[string]map[string]map[string]cty.Value{}
	below := map[string]cty.Value{}
	for _, r := range a.refs {
		switch {
		case r.root == rootEach:
		case r.root == rootSettings:
			below[r.typ] = l.listed(r.to)
			continue
		case !l.hasTypes(r.root):
			put(flat, r.root)
		default:
			put(typed, r.root)
			if r.typ != "" {
				put(typed[r.root], r.typ)
			}
		}
		for _, v := range r.to {
			if v.typ == "" {
				flat[v.root][v.name] = show(v)
				continue
			}
			put(typed[v.root], v.typ)
			typed[v.root][v.typ][v.name] = show(v)
		}
	}
	vars := map[string]cty.Value{}
	for root, names := range flat {
		vars[root] = cty.ObjectVal(names)
	}
	for root, types := range typed {
		objects := map[string]cty.Value{}
		for typ, names := range types {
			objects[typ] = cty.ObjectVal(names)
		}
		vars[root] = cty.ObjectVal(objects)
	}
	if len(below) > 0 {
		vars[rootSettings] = cty.ObjectVal(below)
	}
	return &hcl.EvalContext{Variables: vars, Functions: l.functions}
}

func put[V any](m map[string]map[string]V, key string) {
	if m[key] == nil {
		m[key] = map[string]V{}
	}
}

// known is the value, or unknown for a member of a cycle that was not
// evaluated yet.
func (v *vertex) known() cty.Value {
	if v.value == cty.NilVal {
		return cty.DynamicVal
	}
	return v.value
}

// redact keeps the values of sensitive variables, env, file and properties out
// of errors: a function may quote its argument in its error.
func (l *loader) redact(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		for _, s := range l.outside {
			d.Detail = secret.Redact(d.Detail, secret.New(s))
		}
	}
	return diags
}

// minHidden is the length below which a text is not hidden: it would tear holes
// into every message, and is no secret.
const minHidden = 4

// remember collects the texts within a value that redact hides.
func (l *loader) remember(v cty.Value) {
	plain, _ := v.UnmarkDeep()
	_ = cty.Walk(plain, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() && len(v.AsString()) >= minHidden {
			l.outside = append(l.outside, v.AsString())
		}
		return true, nil
	})
}

// converted converts a value, with the error's path in its text.
func converted(v cty.Value, ty cty.Type) (cty.Value, error) {
	v, quick := funcs.AsList(v)
	if !quick {
		return cty.NilVal, fmt.Errorf("a list of more than %d elements has values of one simple type", funcs.MaxMixed)
	}
	out, err := convert.Convert(v, ty)
	if err == nil {
		return out, nil
	}
	said := typesInWords(err.Error())
	var pe cty.PathError
	if errors.As(err, &pe) && len(pe.Path) > 0 {
		return cty.NilVal, fmt.Errorf("element %s: %s", pathText(pe.Path), said)
	}
	return cty.NilVal, errors.New(said)
}

func pathText(p cty.Path) string {
	var b strings.Builder
	for _, s := range p {
		switch s := s.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + s.Name)
		case cty.IndexStep:
			switch {
			case s.Key.Type() == cty.Number:
				b.WriteString("[" + s.Key.AsBigFloat().Text('f', -1) + "]")
			case s.Key.Type() == cty.String:
				fmt.Fprintf(&b, "[%q]", s.Key.AsString())
			}
		}
	}
	return b.String()
}
