package lang_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"

	"bkp/lang"
)

// TestEveryDiagnosticHasRemedy: a diagnostic that does not say what to do is
// worth little. Those of the hcl library get their remedy in advice.go, by
// their summary, and a new one of them fails here.
func TestEveryDiagnosticHasRemedy(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	broken := 0
	for _, file := range files {
		native, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		archives := []*txtar.Archive{native}
		if inJSON, ok := translate(native); ok {
			archives = append(archives, inJSON)
		}
		for n, ar := range archives {
			c, diags, _ := load(t, ar)
			if n == 0 && diags.HasErrors() {
				broken++
			}
			for _, d := range slices.Concat(diags, c.Review()) {
				checkRemedy(t, filepath.Base(file), d)
			}
		}
	}
	if least := 100; broken < least {
		t.Errorf("%d broken configurations, expected %d at least", broken, least)
	}
}

// libraryWords belong to the libraries, and mean nothing to users.
var libraryWords = []string{"cty", "hclsyntax", "%!", "tuple ", "dynamic ", "capsule", "primitive-typed", "panic", "argument(s)", "Go type", "  "}

func checkRemedy(t *testing.T, where string, d *hcl.Diagnostic) {
	t.Helper()
	remedy := lang.Remedy(d)
	if remedy == "" || !strings.HasSuffix(d.Detail, remedy) || remedy == d.Detail {
		t.Errorf("%s: %s: no remedy: %s", where, d.Summary, d.Detail)
	}
	if remedy != "" && !strings.ContainsAny(remedy[len(remedy)-1:], ".?!") {
		t.Errorf("%s: %s: the remedy is no sentence: %s", where, d.Summary, remedy)
	}
	for _, word := range libraryWords {
		if strings.Contains(d.Detail, word) {
			t.Errorf("%s: %s: %q belongs to a library: %s", where, d.Summary, word, d.Detail)
		}
	}
}
