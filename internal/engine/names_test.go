package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bkp/providers/all"
)

// TestNoStrategyIsKnownByName: neither the engine nor the language nor the command
// line compares the name of a strategy, or keeps a list of kinds. A new one must
// need one package and one line in providers/all.
func TestNoStrategyIsKnownByName(t *testing.T) {
	names := map[string]bool{}
	r := all.Registry()
	for _, k := range r.Kinds() {
		for _, typ := range r.Types(k.Name()) {
			names[typ] = true
		}
	}
	roots := []string{
		"../../lang", "../cli", "../engine", "../planner", "../apply", "../restore", "../drill", "../recovery", "../guardian", "../walk", "../ui", "../catalog", "../journal", "../retention", "../plan",
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
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
				if text, err := strconv.Unquote(lit.Value); err == nil && names[text] {
					t.Errorf("%s names the strategy %q", path, text)
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
