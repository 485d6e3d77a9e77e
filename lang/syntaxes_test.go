package lang_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"golang.org/x/tools/txtar"

	"bkp/lang"
)

// TestBothSyntaxes writes every configuration of testdata in JSON, and expects
// of it what is expected of the original: the same diagnostics, but for places
// and for words that belong to one syntax, and the same resolved values.
func TestBothSyntaxes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	converted := 0
	for _, file := range files {
		native, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		inJSON, ok := translate(native)
		if !ok {
			continue // it has no native file, or one that cannot be parsed
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if slices.Contains(nativeOnly, name) {
			continue
		}
		converted++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, wantDiags, wantDir := load(t, native)
			got, diags, dir := load(t, inJSON)
			if diff := cmp.Diff(reported(want, wantDiags), reported(got, diags)); diff != "" {
				t.Errorf("diagnostics (-native +JSON):\n%s\n%s", diff, txtar.Format(inJSON))
			}
			if wantDiags.HasErrors() {
				return
			}
			if diff := cmp.Diff(relative(resolved(t, want), wantDir), relative(resolved(t, got), dir)); diff != "" {
				t.Errorf("resolved (-native +JSON):\n%s", diff)
			}
		})
	}
	if converted < 40 {
		t.Errorf("only %d configurations could be written in JSON", converted)
	}
}

// nativeOnly are mistakes that JSON cannot have: it has objects in objects for
// labels, and one form for blocks and for attributes that are objects.
var nativeOnly = []string{"missing_label", "label_extra", "label_missing", "label_nested", "block_for_attribute", "kinds_label"}

// reported is what was reported, without what depends on the syntax.
func reported(c *lang.Config, diags hcl.Diagnostics) []string {
	var out []string
	for _, d := range slices.Concat(diags, c.Review()) {
		summary := d.Summary
		if s, ok := sameSummary[summary]; ok {
			summary = s
		}
		out = append(out, fmt.Sprintf("%d %s", d.Severity, summary))
	}
	slices.Sort(out)
	return out
}

// sameSummary are headlines of the hcl library that differ by syntax alone.
var sameSummary = map[string]string{
	"Unsupported argument":            "not expected here",
	"Unsupported block type":          "not expected here",
	"Extraneous JSON object property": "not expected here",
}

// translate returns the archive with its native files in JSON.
func translate(ar *txtar.Archive) (*txtar.Archive, bool) {
	out := &txtar.Archive{}
	found := false
	for _, f := range ar.Files {
		if !strings.HasSuffix(f.Name, ".bkp.hcl") {
			out.Files = append(out.Files, f)
			continue
		}
		file, diags := hclsyntax.ParseConfig(f.Data, f.Name, hcl.InitialPos)
		if diags.HasErrors() {
			return nil, false
		}
		found = true
		t := &translator{source: f.Data}
		text, err := json.MarshalIndent(t.body(file.Body.(*hclsyntax.Body), ""), "", "  ")
		if err != nil || t.inexpressible {
			return nil, false
		}
		out.Files = append(out.Files, txtar.File{Name: f.Name + ".json", Data: append(text, '\n')})
	}
	return out, found
}

type translator struct {
	source []byte
	// inexpressible is set by a constant that is none.
	inexpressible bool
}

func (t *translator) body(b *hclsyntax.Body, in string) map[string]any {
	out := map[string]any{}
	for name, a := range b.Attributes {
		out[name] = t.expression(a.Expr, in+"."+name)
	}
	for _, block := range b.Blocks {
		list, _ := out[block.Type].([]any)
		var value any = t.body(block.Body, block.Type)
		for _, label := range slices.Backward(block.Labels) {
			value = map[string]any{label: value}
		}
		out[block.Type] = append(list, value)
	}
	return out
}

// constants are read without a scope, in which JSON has no templates.
var constants = []string{
	"variable.type", "variable.default", "variable.description", "variable.sensitive", "variable.nullable", "bkp.required_version", "assert.severity",
}

func (t *translator) expression(e hclsyntax.Expression, path string) any {
	source := string(e.Range().SliceBytes(t.source))
	if strings.Contains(source, "<<") {
		source += "\n" // which ends a heredoc, and is no part of its range
	}
	if path == "variable.type" {
		return source
	}
	v, diags := e.Value(nil)
	constant := slices.Contains(constants, path)
	switch {
	case diags.HasErrors():
		t.inexpressible = t.inexpressible || constant
		return "${" + source + "}"
	case v.Type() == cty.String && v.IsKnown() && !v.IsNull() && !constant:
		return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(v.AsString())
	}
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil || !constant && strings.ContainsAny(string(text), "{%$") {
		return "${" + source + "}"
	}
	return json.RawMessage(text)
}
