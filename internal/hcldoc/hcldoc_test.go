package hcldoc_test

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"bkp/internal/hcldoc"
)

const want = `# A starter.
#
# Two lines.
home "mirror" "a\"b" {
  path  = "/x" # where
  store = ["/a", "$${b}"]

  # nested "x" {
  #   a  = 1
  #   bb = 2
  # }
}
`

func TestDoc(t *testing.T) {
	var d hcldoc.Doc
	d.Comment("A starter.\n\nTwo lines.")
	d.Open("home", "mirror", `a"b`)
	d.Attr("path", hcldoc.Quote("/x"), "where")
	d.Attr("store", hcldoc.Quotes([]string{"/a", "${b}"}), "")
	d.Blank()
	if err := d.Disabled(func(d *hcldoc.Doc) {
		d.Open("nested", "x")
		d.Attr("a", "1", "")
		d.Attr("bb", "2", "")
		d.Close()
	}); err != nil {
		t.Fatal(err)
	}
	d.Close()
	got, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
}

// FuzzText proves that any text can stand in any place, and that a faithful
// one is read as it was.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", `"`, `\`, "${x}", "$${x}", "%{if}", "%%{", "$", "\n", "\r\n", "\x00", "\xff", "*/", "e\u0301", "\u2028", "\ufeff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d hcldoc.Doc
		d.Comment(text)
		d.Prose(text)
		d.Open("block", text)
		d.Attr("a", hcldoc.Quote(text), text)
		d.Close()
		out, err := d.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		file, diags := hclsyntax.ParseConfig(out, "", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, out)
		}
		body := file.Body.(*hclsyntax.Body)
		if len(body.Blocks) != 1 || len(body.Blocks[0].Body.Attributes) != 1 {
			t.Fatalf("the text broke out:\n%s", out)
		}
		val, diags := body.Blocks[0].Body.Attributes["a"].Expr.Value(nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if hcldoc.Faithful(text) && (val.AsString() != text || body.Blocks[0].Labels[0] != text) {
			t.Errorf("%q is read as %q", text, val.AsString())
		}
	})
}
