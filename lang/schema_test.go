package lang_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bkp/lang"
	"bkp/providers/all"
)

// TestSchemaIsComplete: the reference is made of it.
func TestSchemaIsComplete(t *testing.T) {
	t.Parallel()
	s := lang.Describe(all.Registry())
	for _, b := range s.Blocks {
		checkBlock(t, b.Name, b)
	}
	for _, st := range s.Strategies {
		checkHelp(t, st.Name(), st.Summary)
		checkAttributes(t, st.Name(), st.Attributes)
		for _, nested := range st.Blocks {
			checkBlock(t, st.Name()+"."+nested.Name, nested)
		}
	}
}

func checkBlock(t *testing.T, name string, b lang.Block) {
	t.Helper()
	checkHelp(t, name, b.Summary)
	checkAttributes(t, name, b.Attributes)
	for _, nested := range b.Blocks {
		checkBlock(t, name+"."+nested.Name, nested)
	}
}

func checkAttributes(t *testing.T, name string, attrs []lang.Attribute) {
	t.Helper()
	for _, a := range attrs {
		checkHelp(t, name+"."+a.Name, a.Help)
		if a.Type == "" {
			t.Errorf("%s.%s has no type", name, a.Name)
		}
		if a.Optional == (a.Default == "" && a.Unset == "") {
			t.Errorf("%s.%s: default %q, unset %q; an attribute that is optional needs one of them, another neither", name, a.Name, a.Default, a.Unset)
		}
	}
}

var sentence = regexp.MustCompile(`^$|^[A-Z][a-z]|[.]$`)

// checkHelp keeps the style of help: lower case, no full stop.
func checkHelp(t *testing.T, name, help string) {
	t.Helper()
	if sentence.MatchString(help) {
		t.Errorf("%s: help %q", name, help)
	}
}

// TestExamplesAreValid reads all examples of the reference as one folder.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	s := lang.Describe(all.Registry())
	for _, b := range s.Blocks {
		text.WriteString(b.Example)
	}
	for _, st := range s.Strategies {
		text.WriteString(st.Example)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) {
		if strings.HasSuffix(name, "_URL") {
			return "https://example.com/7", true
		}
		return "7", true
	}
	config, diags := lang.Load(dir, lang.Options{Registry: all.Registry(), LookupEnv: lookup})
	for _, d := range append(diags, config.Review()...) {
		if d.Summary != "Block is not used" { // the instance refers to one of each kind
			t.Error(d)
		}
	}
	if len(config.Instances) != 1 || len(config.Components) != len(s.Strategies) {
		t.Errorf("%d instances, %d components\n%s", len(config.Instances), len(config.Components), text.String())
	}
}
