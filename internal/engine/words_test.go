package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// banned are words that must not come back into what users read: none of them is
// what an administrator expects at two in the morning.
var banned = regexp.MustCompile(`(?i)as the kernel tells|br(ing|ings|ought) over|\bcut off\b|fallen silent|has not arrived|\blet go\b|\bmend(s|ed)?\b` +
	`|nothing of its own|put right|says nothing of|speak to programs|no dump does|wrong target|not known yet|\bdoubts?\b`)

// TestWordsThatMustNotComeBack reads every text in the code that users may see.
func TestWordsThatMustNotComeBack(t *testing.T) {
	for _, root := range []string{"../../providers", "../../internal", "../../lang", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			lab := strings.Contains(path, "/torture") || strings.Contains(path, "/bench") || strings.Contains(path, "/sandbox")
			if err != nil || lab || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				if word := banned.FindString(lit.Value); word != "" {
					t.Errorf("%s: %q in %.100s", path, word, lit.Value)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
