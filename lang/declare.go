package lang

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"bkp/providers"

	"bkp/internal/suggest"
)

// Roots of references that are no kinds.
const (
	rootVar       = "var"
	rootLocal     = "local"
	rootInstance  = "instance"
	rootRetention = providers.RetentionBlock
	rootEach      = "each"
	rootSettings  = "bkp"
)

const forEachName = "for_each"

// argument is one attribute as it is written.
type argument struct {
	expr hcl.Expression
	rng  hcl.Range
	refs []reference
	// broken arguments have references that lead nowhere.
	broken bool
	// objects lets the expression see blocks as objects, as in a check.
	objects bool
	// scope is made once and serves every instance of for_each.
	scope *hcl.EvalContext
}

func newArgument(a *hcl.Attribute) *argument { return &argument{expr: a.Expr, rng: a.Range} }

// block is a block of the top level, before it is known to be good.
type block struct {
	*hcl.Block
	broken bool
}

// blocks returns the blocks of all files.
func (l *loader) blocks(sources []source) []block {
	var out []block
	for _, s := range sources {
		if s.body == nil {
			l.incomplete = true
			continue
		}
		content, diags := s.body.Content(l.topLevel)
		l.incomplete = l.incomplete || s.broken && (!s.piece || hides(content.Blocks))
		if !s.broken {
			diags = withoutLabelTwins(diags)
			l.unsupported(diags, Block{Blocks: l.grammar.blocks}, "A configuration")
			l.report(diags...)
			l.hide(diags)
		}
		for _, b := range content.Blocks {
			out = append(out, block{b, s.broken})
		}
	}
	return out
}

// hides reports whether a broken piece may have declared more than its blocks,
// which are empty if nothing of it could be read.
func hides(blocks hcl.Blocks) bool {
	return len(blocks) == 0 || slices.ContainsFunc(blocks, func(b *hcl.Block) bool { return b.Type == "locals" })
}

// withoutLabelTwins drops the second of two diagnostics that JSON gives for
// one label that is missing.
func withoutLabelTwins(diags hcl.Diagnostics) hcl.Diagnostics {
	missing := map[int]bool{}
	for _, d := range diags {
		if d.Summary == "Missing block label" && d.Subject != nil {
			missing[d.Subject.Start.Line] = true
		}
	}
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		return d.Subject != nil && missing[d.Subject.Start.Line] && strings.HasSuffix(d.Detail, " labels for this block.")
	})
}

// hide notes what a block that was dropped may have declared, so that a
// reference to it is no second error.
func (l *loader) hide(diags hcl.Diagnostics) {
	for _, d := range diags {
		if !isUnsupported(d) {
			l.incomplete = true
			continue
		}
		switch meant := suggest.Nearest(l.sourceOf(d.Subject), schemaNames(l.topLevel)); meant {
		case "":
		case "variable":
			l.hidden[rootVar] = true
		case "locals":
			l.hidden[rootLocal] = true
		default:
			l.hidden[meant] = true
		}
	}
}

// sourceOf is the word at a range, without the quotes of JSON.
func (l *loader) sourceOf(r *hcl.Range) string {
	if r == nil {
		return ""
	}
	return strings.Trim(l.sourceAt(*r), `"`)
}

func (l *loader) sourceAt(r hcl.Range) string {
	file := l.config.files[r.Filename]
	if file == nil || !r.CanSliceBytes(file.Bytes) {
		return ""
	}
	return string(r.SliceBytes(file.Bytes))
}

// content decodes a body and reports what does not fit.
func (l *loader) content(b *hcl.Block, in Block, what string) (*hcl.BodyContent, bool) {
	content, diags := b.Body.Content(in.body())
	l.unsupported(diags, in, what)
	l.report(diags...)
	return content, !diags.HasErrors()
}

func schemaNames(schema *hcl.BodySchema) []string {
	var names []string
	for _, a := range schema.Attributes {
		names = append(names, a.Name)
	}
	for _, b := range schema.Blocks {
		names = append(names, b.Type)
	}
	slices.Sort(names)
	return names
}

// declare makes the vertices of a block.
func (l *loader) declare(b block) {
	switch b.Type {
	case "locals":
		l.declareLocals(b)
	case "variable":
		l.declareVariable(b)
	case rootSettings:
		l.declareSettings(b)
	case rootCheck:
		l.declareCheck(b)
	default:
		l.declareBlock(b)
	}
}

func (l *loader) declareLocals(b block) {
	attrs, diags := b.Body.JustAttributes()
	if !b.broken {
		l.report(diags...)
		l.incomplete = l.incomplete || diags.HasErrors()
	}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		l.add(&vertex{
			root: rootLocal, name: name, rng: a.NameRange, broken: b.broken,
			args: map[string]*argument{"": newArgument(a)},
		})
	}
}

func (l *loader) declareSettings(b block) {
	v := &vertex{root: rootSettings, rng: b.DefRange, broken: b.broken}
	if !b.broken {
		l.arguments(v, b.Block, "A bkp block")
	}
	l.add(v)
}

// declareBlock declares a block that references can lead to.
func (l *loader) declareBlock(b block) {
	v := &vertex{root: b.Type, rng: b.DefRange, broken: b.broken, name: b.Labels[len(b.Labels)-1]}
	if l.hasTypes(b.Type) {
		v.typ = b.Labels[0]
	}
	if !b.broken && !l.goodName(v.name, b.LabelRanges[len(b.LabelRanges)-1]) {
		v.broken = true
	}
	if v.typ != "" && !l.findStrategy(v, b.LabelRanges[0]) {
		v.broken, v.unknown = true, true
	}
	switch {
	case !v.broken:
		l.arguments(v, b.Block, "A block "+header(v))
	case !b.broken:
		// What it may contain is not known, but its references can be checked.
		attrs, _ := b.Body.JustAttributes()
		v.args = map[string]*argument{}
		for name, a := range attrs {
			v.args[name] = newArgument(a)
		}
	}
	l.add(v)
}

// header is how a block of this kind begins, without its name.
func header(v *vertex) string {
	if v.typ == "" {
		return v.root
	}
	return fmt.Sprintf("%s %q", v.root, v.typ)
}

func (l *loader) findStrategy(v *vertex, at hcl.Range) bool {
	def, ok := l.registry.Lookup(v.root, v.typ)
	if !ok {
		remedy := didYouMean(v.typ, l.registry.Types(v.root), "This version of bkp has none for "+v.root+".")
		if _, swapped := l.registry.Lookup(v.root, v.name); swapped {
			remedy = fmt.Sprintf("The strategy comes first: write %s %q %q.", v.root, v.name, v.typ)
		}
		l.report(problemAt(&at, "Unknown strategy", fmt.Sprintf("There is no strategy %s %q.", v.root, v.typ), remedy))
		return false
	}
	v.def = def
	return true
}

// blockName is what can be referred to, and is safe as a part of a file name.
var blockName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

func (l *loader) goodName(name string, at hcl.Range) bool {
	if blockName.MatchString(name) {
		return true
	}
	l.report(problemAt(&at, "Invalid name", fmt.Sprintf("%q cannot be a name.", name),
		"Begin with a letter, go on with letters, digits, underscores and dashes, and use 64 at most."))
	return false
}

// add puts a vertex into the graph. One whose address is taken is checked like
// any other, but references lead to the first.
func (l *loader) add(v *vertex) {
	if first, twice := l.declared[v.address()]; twice {
		detail, remedy := fmt.Sprintf("%s is declared already at %s.", v.address(), first.rng), "Rename one of them, or remove it."
		if v.root == rootSettings {
			detail, remedy = fmt.Sprintf("A bkp block is already at %s.", first.rng), "Merge the two."
		}
		// References lead to the first one, and it is not known what they would make
		// of this one.
		for _, a := range v.args {
			if v.root == rootLocal {
				l.maskLiterals(a.expr.Range(), true)
			}
		}
		l.report(problemAt(&v.rng, "Duplicate declaration", detail, remedy))
	} else {
		l.declared[v.address()] = v
	}
	l.vertices = append(l.vertices, v)
}

// arguments decodes the outer structure of a block into the vertex.
func (l *loader) arguments(v *vertex, b *hcl.Block, what string) {
	v.args, v.nested, v.meant = map[string]*argument{}, map[string]hcl.Range{}, map[string]bool{}
	l.collect(v, "", b, l.bodyOf(v), what)
}

// collect adds what stands in a body under prefix+name.
func (l *loader) collect(v *vertex, prefix string, b *hcl.Block, body Block, what string) {
	content, diags := b.Body.Content(body.body())
	for _, name := range l.unsupported(diags, body, what) {
		v.meant[prefix+name] = true
	}
	for _, d := range diags {
		if name, labelled := strings.CutPrefix(d.Summary, "Extraneous label for "); labelled {
			v.meant[prefix+name] = true // hcl drops it
		}
	}
	l.report(diags...)
	for name, a := range content.Attributes {
		v.args[prefix+name] = newArgument(a)
	}
	for _, found := range content.Blocks {
		i := slices.IndexFunc(body.Blocks, func(n Block) bool { return n.Name == found.Type })
		path, again := v.place(prefix, body.Blocks[i])
		if again {
			l.report(problemAt(&found.DefRange, "Duplicate block",
				fmt.Sprintf("The %s block is already at %s.", found.Type, v.nested[path]), "Merge the two."))
			continue
		}
		v.nested[path] = found.DefRange
		l.collect(v, path+".", found, body.Blocks[i], "A "+found.Type+" block")
	}
}
