package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"bkp/internal/secret"
	"bkp/lang/funcs"
	"bkp/providers"
)

// decodeInto decodes a block into cfg, a pointer to the struct of its schema,
// checks it, and records what it resolved to. It reports whether all is good.
func (l *loader) decodeInto(i *instance, cfg any) bool {
	s := i.schema()
	good := l.decodeBody(i, "", s, cfg)
	if len(l.config.open[i.address]) == 0 {
		good = l.valid(i, "", s, cfg, good) && good
	}
	if !good {
		return false
	}
	l.config.resolved.setAll(i.address, "", s, cfg)
	return true
}

// decodeBody sets the fields of cfg from the arguments and the nested blocks
// called prefix+name, and reports whether all of them are good.
func (l *loader) decodeBody(i *instance, prefix string, s providers.Schema, cfg any) bool {
	good := true
	for _, a := range s.Attributes {
		if !l.decodeAttr(i, prefix, a, cfg) {
			i.bad[prefix+a.Name] = true
			good = false
		}
	}
	for _, b := range s.Blocks {
		good = l.decodeNested(i, prefix, b, cfg) && good
	}
	return good
}

func (l *loader) decodeNested(i *instance, prefix string, b providers.Block, cfg any) bool {
	places := i.places(prefix+b.Name, b)
	if len(places) == 0 && b.Required() {
		return l.missingBlock(i, prefix, b)
	}
	good := true
	for _, place := range places {
		good = l.decodeBody(i, place+".", b.Schema, b.Add(cfg)) && good
	}
	return good
}

// valid applies the rules that a configuration has beyond its types. If not all
// of it was decoded, these are the rules that rest on what was.
func (l *loader) valid(i *instance, prefix string, s providers.Schema, cfg any, decoded bool) bool {
	good := true
	if v, ok := cfg.(providers.ConfigValidator); ok {
		for _, p := range v.ValidateConfig() {
			if !decoded && !i.founded(prefix, p) {
				continue
			}
			good = false
			at := i.rangeOf(prefix, p.Attribute)
			l.report(l.redact(hcl.Diagnostics{problemAt(&at, sentenceCase(p.Summary), sentence(p.Detail), sentence(p.Remedy))})...)
		}
	}
	for _, b := range s.Blocks {
		for n, nested := range b.In(cfg) {
			path := prefix + b.Name
			if b.Repeatable() {
				path = indexed(path, n)
			}
			good = l.valid(i, path+".", b.Schema, nested, decoded) && good
		}
	}
	return good
}

// founded reports whether a problem rests on attributes alone that were
// decoded.
func (i *instance) founded(prefix string, p providers.ConfigProblem) bool {
	for _, name := range p.Rests {
		if i.bad[prefix+name] || i.meant[prefix+name] {
			return false
		}
	}
	return len(p.Rests) > 0
}

// rangeOf is where an attribute or a nested block stands, or else what is
// around it.
func (i *instance) rangeOf(prefix, name string) hcl.Range {
	if a, ok := i.args[prefix+name]; ok && name != "" {
		return a.rng
	}
	if r, ok := i.nested[prefix+name]; ok {
		return r
	}
	return i.around(prefix)
}

// around is the head of the block whose attributes begin with prefix.
func (i *instance) around(prefix string) hcl.Range {
	if r, ok := i.nested[strings.TrimSuffix(prefix, ".")]; ok {
		return r
	}
	return i.rng
}

func (l *loader) decodeAttr(i *instance, prefix string, attr providers.Attribute, cfg any) bool {
	if attr.Refers != "" {
		return l.decodeReference(i, prefix, attr, cfg)
	}
	a, set := i.args[prefix+attr.Name]
	if !set {
		return attr.Optional || l.missing(i, prefix, attr)
	}
	if attr.Secret {
		l.maskLiterals(a.expr.Range(), false)
		l.maskBehind(a, false)
	}
	val := l.value(a, i.each)
	if l.outOfReach(val) {
		l.leaveOpen(i, prefix+attr.Name, attr, cfg)
		return true
	}
	if !val.IsWhollyKnown() {
		return false
	}
	at := a.expr.Range().Ptr()
	if !attr.Secret && l.refuseSensitive(i, attr, a, val) {
		return false
	}
	hidden := funcs.Has(val, funcs.External)
	protected := hidden || funcs.Has(val, funcs.Sensitive)
	if attr.Secret && !protected {
		l.maskLiterals(a.expr.Range(), true)
		l.maskBehind(a, true)
	}
	val, _ = val.UnmarkDeep()
	if val.IsNull() {
		return attr.Optional || l.missing(i, prefix, attr)
	}
	field, err := decode(val, attr.Type)
	if err != nil {
		l.report(wrongValue(at, attr.Name, attr.TypeName(), err, hidden))
		return false
	}
	attr.Field(cfg).Set(field)
	if s, ok := field.Interface().(secret.String); ok && !protected && s.Reveal() != "" {
		l.reviewLiteral(i, attr, at)
	}
	return true
}

// refuseSensitive reports a sensitive value that would be shown.
func (l *loader) refuseSensitive(i *instance, attr providers.Attribute, a *argument, v cty.Value) bool {
	if !funcs.Has(v, funcs.Sensitive) {
		return false
	}
	l.report(problemAt(a.expr.Range().Ptr(), "Sensitive value in a plain attribute",
		fmt.Sprintf("The attribute %q of %s is shown in plans and logs, but its value is sensitive.", attr.Name, i.address),
		"Use a value that is not sensitive here."))
	return true
}

func (l *loader) reviewLiteral(i *instance, attr providers.Attribute, at *hcl.Range) {
	l.config.review = append(l.config.review, warningAt(at, "Secret in plain text",
		fmt.Sprintf("Anyone who can read the configuration can read the value of the attribute %q of %s.", attr.Name, i.address),
		fmt.Sprintf("Take it from the environment or a file, as %s = env(\"NAME\") or file(\"/path\") do, or from a sensitive variable.", attr.Name)))
}

// missing reports an attribute that must be set, unless a misspelt one stands
// for it. It returns false.
func (l *loader) missing(i *instance, prefix string, attr providers.Attribute) bool {
	if !i.meant[prefix+attr.Name] {
		at := i.around(prefix)
		l.report(problemAt(&at, "Missing attribute",
			fmt.Sprintf("%s has no value for %q: %s.", i.called(prefix), attr.Name, attr.Help),
			fmt.Sprintf("Add it: %s = %s.", attr.Name, example(attr.TypeName()))))
	}
	return false
}

// missingBlock is the same for a nested block.
func (l *loader) missingBlock(i *instance, prefix string, b providers.Block) bool {
	if !i.meant[prefix+b.Name] {
		at := i.around(prefix)
		l.report(problemAt(&at, "Missing block",
			fmt.Sprintf("%s has no block %s: %s.", i.called(prefix), b.Name, b.Help),
			fmt.Sprintf("Add it: %s { … }.", b.Name)))
	}
	return false
}

// called names the block whose attributes begin with prefix.
func (i *instance) called(prefix string) string {
	if prefix == "" {
		return i.address
	}
	return fmt.Sprintf("The block %s of %s", strings.TrimSuffix(prefix, "."), i.address)
}

func example(typ string) string {
	switch {
	case strings.HasPrefix(typ, "string"):
		return `"…"`
	case typ == "duration":
		return `"5m"`
	case typ == "number":
		return "7"
	case typ == "bool":
		return "true"
	case strings.HasPrefix(typ, "list"):
		return "[…]"
	default:
		return "{ … }"
	}
}
