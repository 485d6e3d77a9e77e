package all_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bkp/providers/all"
)

// nameless are the folders, with all below them, in which no strategy and no
// list of kinds may be named. Those that write configurations, and those that
// only tests use, do name them.
var nameless = []string{
	"lang", "internal/cli", "internal/engine", "internal/records", "internal/ui", "internal/completion", "internal/reference",
	"internal/event", "internal/hcldoc", "internal/host", "internal/bitbucket",
}

// TestNoStrategyIsKnownByName: what differs from strategy to strategy is data
// of its definition, and the kinds are those of the registry. An exception made
// for one by its name would be forgotten with the next.
func TestNoStrategyIsKnownByName(t *testing.T) {
	t.Parallel()
	for _, folder := range nameless {
		root := filepath.Join("..", "..", filepath.FromSlash(folder))
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				for _, problem := range namesIn(t, path, nil) {
					t.Errorf("%s: %s", path, problem)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestNamesAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`var a = "tar"`:                              1,
		"var a = `write home \"mirror\" \"x\"`":      1,
		`var a = "see home.mirror.x"`:                1,
		`var a = []string{"home", "archive"}`:        1,
		"var a = providers.Homes":                    1,
		`var a, b = "home", "the database none had"`: 0,
	} {
		if got := namesIn(t, "x.go", []byte("package x\n"+text)); len(got) != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// namesIn finds strategies and lists of kinds in a file.
func namesIn(t *testing.T, path string, src []byte) (found []string) {
	t.Helper()
	if src == nil {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		src = text
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			n.Tag = nil
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "providers" && slices.Contains([]string{"Homes", "MeshNodes", "Databases", "Searches", "Archives", "Encryptions"}, n.Sel.Name) {
				found = append(found, "it names the kind providers."+n.Sel.Name)
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				found = append(found, strategiesIn(text)...)
				if _, ok := all.Registry().Kind(text); ok {
					kinds[text] = true
				}
			}
		}
		return true
	})
	if len(kinds) > 1 {
		found = append(found, "it lists kinds")
	}
	return found
}

func strategiesIn(text string) (found []string) {
	for _, d := range all.Registry().Definitions() {
		switch {
		case text == d.Type, strings.Contains(text, d.Name()), strings.Contains(text, d.Kind.Name()+"."+d.Type+"."):
			found = append(found, "it names "+d.Name()+": "+strconv.Quote(text))
		}
	}
	return found
}
