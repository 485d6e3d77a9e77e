package json_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	jsonui "bkp/internal/ui/json"
)

const source = "# für alle\ninstance \"prod\" {\n  url = \"x\"\n  home = 5\n}\n"

func files(t *testing.T) map[string]*hcl.File {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(source), "main.bkp.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return map[string]*hcl.File{"main.bkp.hcl": f}
}

// at is the range of what stands in source.
func at(t *testing.T, what string) *hcl.Range {
	t.Helper()
	i := bytes.Index([]byte(source), []byte(what))
	if i < 0 {
		t.Fatalf("%q is not in the source", what)
	}
	pos := func(i int) hcl.Pos {
		line := 1 + bytes.Count([]byte(source[:i]), []byte("\n"))
		return hcl.Pos{Line: line, Column: i - bytes.LastIndexByte([]byte(source[:i]), '\n'), Byte: i}
	}
	return &hcl.Range{Filename: "main.bkp.hcl", Start: pos(i), End: pos(i + len(what))}
}

func TestDiagnosticHasTerraformsShape(t *testing.T) {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Wrong", Detail: "It is <5>.", Subject: at(t, "5")}
	var out bytes.Buffer
	if err := jsonui.NewStream(&out).Write(jsonui.NewDiagnostic(d, files(t))); err != nil {
		t.Fatal(err)
	}
	want := `{"severity":"error","summary":"Wrong","detail":"It is <5>.",` +
		`"range":{"filename":"main.bkp.hcl","start":{"line":4,"column":10,"byte":51},"end":{"line":4,"column":11,"byte":52}},` +
		`"snippet":{"context":"instance \"prod\"","code":"  home = 5","start_line":4,"highlight_start_offset":9,"highlight_end_offset":10,"values":[]}}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestHighlightStaysWithinTheCode(t *testing.T) {
	all := files(t)
	end := hcl.Pos{Line: 6, Column: 1, Byte: len(source)}
	lineEnd := at(t, "5").End
	cases := map[string]struct {
		subject hcl.Range
		context *hcl.Range
		code    string
		shown   string
	}{
		"one word":           {*at(t, "prod"), nil, `instance "prod" {`, "prod"},
		"with its context":   {*at(t, "5"), at(t, "instance"), "instance \"prod\" {\n  url = \"x\"\n  home = 5", "5"},
		"two lines":          {*at(t, "x\"\n  home"), nil, "  url = \"x\"\n  home = 5", "x\"\n  home"},
		"empty":              {hcl.Range{Start: at(t, "url").Start, End: at(t, "url").Start}, nil, `  url = "x"`, "u"},
		"without an end":     {hcl.Range{Start: at(t, "url").Start}, nil, `  url = "x"`, "u"},
		"at a line's end":    {hcl.Range{Start: lineEnd, End: lineEnd}, nil, "  home = 5\n}", "\n"},
		"behind everything":  {hcl.Range{Start: end, End: end}, nil, "", ""},
		"over the whole end": {hcl.Range{Start: at(t, "}\n").Start, End: end}, nil, "}", "}"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.subject.Filename = "main.bkp.hcl"
			s := jsonui.NewDiagnostic(&hcl.Diagnostic{Subject: &c.subject, Context: c.context}, all).Snippet
			if s.Code != c.code {
				t.Errorf("code %q, want %q", s.Code, c.code)
			}
			if got := s.Code[s.HighlightStartOffset:s.HighlightEndOffset]; got != c.shown {
				t.Errorf("highlights %q, want %q", got, c.shown)
			}
		})
	}
}

func TestDiagnosticWithoutAPlace(t *testing.T) {
	elsewhere := &hcl.Range{Filename: "gone.bkp.hcl", Start: hcl.InitialPos, End: hcl.InitialPos}
	for _, subject := range []*hcl.Range{nil, elsewhere} {
		d := jsonui.NewDiagnostic(&hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "x", Subject: subject}, files(t))
		if d.Snippet != nil || (d.Range == nil) != (subject == nil) || d.Severity != "warning" {
			t.Errorf("got %+v", d)
		}
	}
}

func TestValidationCounts(t *testing.T) {
	v := jsonui.NewValidation(hcl.Diagnostics{{Severity: hcl.DiagWarning}, {Severity: hcl.DiagError}, {Severity: hcl.DiagError}}, nil)
	if v.Valid || v.ErrorCount != 2 || v.WarningCount != 1 || len(v.Diagnostics) != 3 {
		t.Errorf("got %+v", v)
	}
	b, err := json.Marshal(jsonui.NewValidation(nil, nil))
	if want := `{"format_version":"1.0","valid":true,"error_count":0,"warning_count":0,"diagnostics":[]}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v", b, err)
	}
}

// TestAnyRangeGivesValidOffsets holds for ranges that make no sense, too.
func TestAnyRangeGivesValidOffsets(t *testing.T) {
	all := files(t)
	for start := range len(source) + 3 {
		for end := range len(source) + 3 {
			r := hcl.Range{Filename: "main.bkp.hcl", Start: hcl.Pos{Line: 1, Column: 1, Byte: start}, End: hcl.Pos{Line: 1, Column: 1, Byte: end}}
			s := jsonui.NewDiagnostic(&hcl.Diagnostic{Subject: &r, Context: at(t, "prod")}, all).Snippet
			if s.HighlightStartOffset < 0 || s.HighlightStartOffset > s.HighlightEndOffset || s.HighlightEndOffset > len(s.Code) {
				t.Fatalf("bytes %d to %d: %+v", start, end, s)
			}
		}
	}
}
