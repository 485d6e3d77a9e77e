package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// banned are words that must not come back into what users and developers read:
// none of them is what an administrator expects at two in the morning.
var banned = regexp.MustCompile(`(?i)\btell(s|ing)?\b|\btold\b|br(ing|ings|ought) over|\bcuts? off\b|fallen silent|has not arrived|\blets? go\b|\bmend(s|ed|ing)?\b` +
	`|nothing of its own|puts? right|says? nothing\b|speak to programs|no dump does|wrong target|not known yet|\bdoubt(s|ed|ful)?\b` +
	`|h(old|olds|eld) against|\bwhoever\b|\bof which\b|in whatever way|\bthere is none\b|\bbe had\b|\blies? around\b|nobody can be asked|is taken:|stands alone`)

// leftToOthers are what other tools print, and the pages that are made of the texts
// of the code.
var leftToOthers = regexp.MustCompile(`/(testdata|docs/reference)(/|$)|/troubleshooting\.md$`)

// TestWordsThatMustNotComeBack reads the texts and the comments of the code, and
// the pages of the documentation. The texts of tests may show what other tools say.
func TestWordsThatMustNotComeBack(t *testing.T) {
	for _, root := range []string{"../../providers", "../../internal", "../../lang", "../../cmd", "../../docs", "../../README.md"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || leftToOthers.MatchString(filepath.ToSlash(path)) || d.IsDir() || strings.HasSuffix(path, "words_test.go"):
				return err
			case strings.HasSuffix(path, ".go"):
				return wordsOfCode(t, path)
			case strings.HasSuffix(path, ".md"):
				text, err := os.ReadFile(path)
				wordsOf(t, path, string(text))
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func wordsOfCode(t *testing.T, path string) error {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, c := range file.Comments {
		wordsOf(t, path, c.Text())
	}
	if strings.HasSuffix(path, "_test.go") {
		return nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			wordsOf(t, path, lit.Value)
		}
		return true
	})
	return nil
}

// wordsOf reports the banned words of a text. A phrase may go over the end of a
// line.
func wordsOf(t *testing.T, path, text string) {
	t.Helper()
	text = strings.Join(strings.Fields(text), " ")
	for _, at := range banned.FindAllStringIndex(text, -1) {
		t.Errorf("%s: %q in …%s…", path, text[at[0]:at[1]], text[max(0, at[0]-40):min(len(text), at[1]+40)])
	}
}
