package lang

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"bkp/lang/funcs"
	"bkp/providers"
)

// rootCheck is the root of check blocks: rules of a team over its own
// configuration. Nothing can refer to them. In them, blocks are seen as
// objects, with the attributes that they resolved to.
const rootCheck = "check"

var (
	checkBody  = checkBlock()
	assertBody = assertBlock()
)

func (l *loader) declareCheck(b block) {
	v := &vertex{root: rootCheck, name: b.Labels[0], rng: b.DefRange, broken: b.broken}
	if !b.broken {
		l.fillCheck(v, b)
	}
	l.add(v)
}

func (l *loader) fillCheck(v *vertex, b block) {
	v.broken = !l.goodName(v.name, b.LabelRanges[0])
	content, good := l.content(b.Block, checkBody, "A check block")
	v.args = map[string]*argument{}
	for name, a := range content.Attributes {
		v.args[name] = newArgument(a)
	}
	for _, nested := range content.Blocks {
		l.declareAssertion(v, nested, assertBody)
	}
	for _, a := range v.args {
		a.objects = true
	}
	if good && len(content.Blocks) == 0 {
		l.report(problemAt(&v.rng, "Check asserts nothing", v.address()+" has no assert block.",
			"Add assert { condition = …, error_message = … }."))
	}
}

// check judges the assertions. What fails is for those who decide about a
// backup: see Config.Review.
func (l *loader) check(v *vertex) {
	if v.broken {
		return
	}
	if v.forEach() == nil {
		l.checkOne(v, v.address(), nil)
		return
	}
	keys, ok := l.keys(v)
	if !ok {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		l.checkOne(v, fmt.Sprintf("%s[%q]", v.address(), key), eachOf(key, keys[key]))
	}
}

func (l *loader) checkOne(v *vertex, address string, each map[string]cty.Value) {
	for _, a := range v.assertions {
		verdict := l.judge(v, a, each)
		at := v.args[a.prefix+conditionName].expr.Range().Ptr()
		if verdict.open {
			l.config.review = append(l.config.review, warningAt(at, "Check not evaluated",
				address+" depends on values that only the backup machine knows.", "Also review a plan made there."))
		}
		if !verdict.known || verdict.holds {
			continue
		}
		d := problemAt(at, "Check failed", address+":", verdict.message)
		if a.warning {
			d.Severity = hcl.DiagWarning
		}
		l.config.review = append(l.config.review, d)
	}
}

// resolveList resolves bkp.archives and its like, within a check.
func (l *loader) resolveList(ref *reference, t hcl.Traversal) (*reference, *hcl.Diagnostic) {
	name, _ := stepName(t[1:])
	ref.typ = name
	root, ok := l.lists[name]
	if !ok {
		return nil, problemAt(&ref.rng, "Unknown reference", fmt.Sprintf("%s is not known here.", strings.TrimSuffix(rootSettings+"."+name, ".")),
			didYouMean(rootSettings+"."+name, l.listNames(), ""))
	}
	for _, v := range l.vertices {
		if v.root == root {
			ref.to = append(ref.to, v)
		}
	}
	return ref, nil
}

// view is the vertex as a check sees it.
func (l *loader) view(v *vertex) cty.Value {
	if v.variable != nil {
		return v.known()
	}
	return l.reveal(v.known())
}

// reveal puts objects in the place of references, wherever they are.
func (l *loader) reveal(v cty.Value) cty.Value {
	if v.Type() == targetType && v.IsKnown() && !v.IsNull() && !v.IsMarked() {
		return l.object(v)
	}
	if !v.IsKnown() || v.IsNull() || !leadsToBlocks(v) {
		return v
	}
	v, marks := v.Unmark()
	ty := v.Type()
	if ty.IsObjectType() || ty.IsMapType() {
		fields := map[string]cty.Value{}
		for key, e := range v.AsValueMap() {
			fields[key] = l.reveal(e)
		}
		return cty.ObjectVal(fields).WithMarks(marks)
	}
	// A list holds values of one type, and blocks have many.
	var elements []cty.Value
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		elements = append(elements, l.reveal(e))
	}
	return cty.TupleVal(elements).WithMarks(marks)
}

func leadsToBlocks(v cty.Value) bool {
	found := false
	_ = cty.Walk(v, func(_ cty.Path, e cty.Value) (bool, error) {
		found = found || e.Type() == targetType
		return !found, nil
	})
	return found
}

// listed are the objects of several vertices in one tuple.
func (l *loader) listed(vertices []*vertex) cty.Value {
	var out []cty.Value
	for _, v := range vertices {
		value := v.known()
		switch {
		case !value.IsWhollyKnown():
			return cty.DynamicVal
		case value.Type() == targetType:
			out = append(out, l.object(value))
		default:
			for it := value.ElementIterator(); it.Next(); {
				_, t := it.Element()
				out = append(out, l.object(t))
			}
		}
	}
	return cty.TupleVal(out)
}

// object shows a block by its resolved attributes. Those that lead to other
// blocks are objects too. A block that has errors is unknown.
func (l *loader) object(value cty.Value) cty.Value {
	t := value.EncapsulatedValue().(*target)
	if t.object != cty.NilVal {
		return t.object
	}
	attrs, ok := l.config.resolved[t.address]
	if !ok {
		return cty.DynamicVal
	}
	fields := l.fields(t, t.vertex.schema(), "", attrs)
	fields["address"] = cty.StringVal(t.address)
	fields["name"] = cty.StringVal(t.name)
	if t.typ != "" {
		fields["strategy"] = cty.StringVal(t.typ)
	}
	t.object = cty.ObjectVal(fields)
	return t.object
}

// fields shows what stands under prefix in a block, nested blocks as objects.
func (l *loader) fields(t *target, s providers.Schema, prefix string, attrs map[string]json.RawMessage) map[string]cty.Value {
	fields := map[string]cty.Value{}
	for _, a := range s.Attributes {
		path := prefix + a.Name
		leads, refers := t.leads[path]
		switch {
		case slices.Contains(l.config.open[t.address], path):
			fields[a.Name] = cty.DynamicVal.Mark(funcs.External)
		case refers:
			fields[a.Name] = l.seen(leads)
		default:
			fields[a.Name] = fromJSON(attrs[path])
		}
	}
	for _, b := range s.Blocks {
		fields[b.Name] = l.nestedFields(t, b, prefix+b.Name, attrs)
	}
	return fields
}

// nestedFields is an object, null for an optional block that is not there, or a
// list of objects where there may be several.
func (l *loader) nestedFields(t *target, b providers.Block, path string, attrs map[string]json.RawMessage) cty.Value {
	if !b.Repeatable() {
		if _, there := t.vertex.nested[path]; !there && b.Optional() {
			return cty.NullVal(cty.DynamicPseudoType)
		}
		return cty.ObjectVal(l.fields(t, b.Schema, path+".", attrs))
	}
	var out []cty.Value
	for _, place := range t.vertex.places(path, b) {
		out = append(out, cty.ObjectVal(l.fields(t, b.Schema, place+".", attrs)))
	}
	return cty.TupleVal(out)
}

// seen shows what a reference leads to.
func (l *loader) seen(leads leads) cty.Value {
	var out []cty.Value
	for _, t := range leads.to {
		out = append(out, l.object(cty.CapsuleVal(targetType, t)))
	}
	switch {
	case leads.many:
		return cty.TupleVal(out)
	case len(out) == 0:
		return cty.NullVal(cty.DynamicPseudoType)
	default:
		return out[0]
	}
}

// fromJSON is the value of a resolved attribute.
func fromJSON(raw []byte) cty.Value {
	ty, err := ctyjson.ImpliedType(raw)
	if err != nil {
		return cty.DynamicVal
	}
	v, err := ctyjson.Unmarshal(raw, ty)
	if err != nil {
		return cty.DynamicVal
	}
	return v
}
