package markdown

import (
	"bytes"
	"html"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// nasty texts would each break a page that shows them as they are.
var nasty = []string{
	"plain", `a|b`, "`code`", "``", "a`b", "|`|", `back\slash\|`, "<b>bold</b>", "<!-- gone", "*a* _b_ **c** ~~d~~", "[x](http://evil)", "![x](http://evil)",
	"# head", "- item", "+ item", "1. item", "12) item", "=", "---", "&lt;", "&amp;amp;", "$x$", "two\nlines", "</details>", "<script>alert(1)</script>", "a\u202eb", "x\x00y\x1b[31m",
	"    indented", "> quote", `instance.team["a|b"]`, "http://a_b_c/*/d",
}

// rendered is what a reader's page shows of the source.
func rendered(t testing.TB, source string) string {
	t.Helper()
	var b bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert([]byte(source), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// same reports whether the page shows the text and nothing else. Links that
// renderers make of bare URLs do no harm.
func same(page, text string) bool {
	text = oneLine(text)
	if strings.Contains(text, "http") {
		return !strings.Contains(page, "evil\">x</a>") && !strings.Contains(page, "<img") && !strings.Contains(page, "<em>")
	}
	return html.UnescapeString(page) == text
}

func TestTextMeansItself(t *testing.T) {
	for _, text := range nasty {
		page := strings.TrimSuffix(strings.TrimPrefix(rendered(t, escape(text)), "<p>"), "</p>\n")
		if !same(page, text) {
			t.Errorf("%q: written as %q, shown as %q", text, escape(text), page)
		}
		page = strings.TrimSuffix(strings.TrimPrefix(rendered(t, "x "+code(text, false)), "<p>x <code>"), "</code></p>\n")
		if html.UnescapeString(page) != oneLine(text) {
			t.Errorf("%q: written as %q, shown as %q", text, code(text, false), page)
		}
	}
}

func TestCellsHoldAnyText(t *testing.T) {
	for _, text := range nasty {
		page := rendered(t, "| a | b |\n|---|---|\n| "+code(text, true)+" | "+escape(text)+" |\n")
		if got := strings.Count(page, "<td>"); got != 2 {
			t.Errorf("%q: %d cells\n%s", text, got, page)
			continue
		}
		_, page, _ = strings.Cut(page, "<td><code>")
		first, second, _ := strings.Cut(page, "</code></td>\n<td>")
		second, _, _ = strings.Cut(second, "</td>")
		if html.UnescapeString(first) != oneLine(text) || !same(second, text) {
			t.Errorf("%q: shown as %q and %q", text, first, second)
		}
	}
}

func TestNobodyIsCalled(t *testing.T) {
	if got := escape("user @admin"); strings.Contains(got, "@admin") {
		t.Error(got)
	}
}

func FuzzCells(f *testing.F) {
	for _, text := range nasty {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		page := rendered(t, "| a | b |\n|---|---|\n| "+code(text, true)+" | "+escape(text)+" |\n\n**end**\n")
		if got := strings.Count(page, "</td>"); got != 2 || !strings.HasSuffix(page, "<p><strong>end</strong></p>\n") {
			t.Errorf("%q: %s", text, page)
		}
	})
}
