package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bkp/internal/cli"
	"bkp/lang"
	"bkp/lang/funcs"
	"bkp/providers/all"
)

const committed = "../../docs/reference"

func generated() map[string]string { return pages(lang.Describe(all.Registry()), cli.Describe()) }

func TestReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	want := generated()
	files, err := os.ReadDir(committed)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(committed, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		have[f.Name()] = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("docs/reference is not what the source says; run\n\n    make docs\n\n(-source +docs):\n%s", diff)
	}
}

func TestTroubleshootingIsUpToDate(t *testing.T) {
	t.Parallel()
	all, err := troubles("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Errorf("only %d problems were found", len(all))
	}
	for _, p := range all {
		if len(p.remedies) == 0 && !p.warning && len(p.causes) == 0 {
			t.Logf("%s: %q has neither cause nor remedy", p.area, p.summary)
		}
	}
	have, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(troubleshooting(all), strings.ReplaceAll(string(have), "\r\n", "\n")); diff != "" {
		t.Errorf("docs/troubleshooting.md is not what the source says; run\n\n    make docs\n\n(-source +docs):\n%s", diff)
	}
}

// TestEverythingIsInTheReference goes by the grammar and the registry
// themselves, so that nothing can get lost on the way to the pages.
func TestEverythingIsInTheReference(t *testing.T) {
	t.Parallel()
	docs := generated()
	has := func(page, text string) {
		t.Helper()
		if !strings.Contains(docs[page], text) {
			t.Errorf("%s does not mention %q", page, text)
		}
	}
	app := cli.Describe().Commands
	for _, f := range app.Flags {
		has("cli.md", "--"+f.Name)
	}
	for _, c := range app.Leaves(true) {
		_, section, found := strings.Cut(docs["cli.md"], fmt.Sprintf("\n## bkp %s\n", c.Path()))
		if !found {
			t.Errorf("cli.md has no bkp %s", c.Path())
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, v := range c.Values() {
			name := strings.ToUpper(v.Name)
			if v.Flag != nil {
				name = "--" + v.Name
			}
			if !strings.Contains(section, strings.ReplaceAll(name, "|", `\|`)) || !strings.Contains(section, escape(v.Help)) {
				t.Errorf("cli.md does not explain %s of bkp %s", name, c.Path())
			}
		}
	}
	for _, kind := range all.Registry().Kinds() {
		for _, typ := range all.Registry().Types(kind.Name()) {
			def, _ := all.Registry().Lookup(kind.Name(), typ)
			page := kind.Name() + "-" + typ + ".md"
			has("index.md", page)
			has(page, escape(def.Summary[1:]))
			for _, a := range def.Attributes() {
				has(page, fmt.Sprintf("| `%s` | ", a.Name))
				has(page, escape(a.Help))
			}
		}
	}
	for _, b := range lang.Describe(all.Registry()).Blocks {
		has("index.md", "("+b.Name+".md)")
	}
	for name := range funcs.Table(funcs.Source{}) {
		has("functions.md", "| `"+name+"(")
	}
}

// TestLinks: no page leads nowhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	docs := generated()
	for page, text := range docs {
		for _, part := range strings.Split(text, "](")[1:] {
			target, _, _ := strings.Cut(part, ")")
			file, anchor, _ := strings.Cut(target, "#")
			if file == "" {
				file = page
			}
			headings := strings.ReplaceAll(docs[file], " ", "-")
			if _, ok := docs[file]; !ok || anchor != "" && !strings.Contains(headings, "\n##-"+anchor+"\n") {
				t.Errorf("%s leads to %s", page, target)
			}
		}
	}
}

func TestWriteLeavesNoOldPage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := write(dir, map[string]string{"gone.md": "", "stays.md": "old"}); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, map[string]string{"stays.md": "new"}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || !slices.Equal(files, []string{filepath.Join(dir, "stays.md")}) {
		t.Errorf("%v %v", files, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "stays.md")); err != nil || string(text) != "new" {
		t.Errorf("%q %v", text, err)
	}
}

// TestTablesAreTables: a pipe in a cell would make another column.
func TestTablesAreTables(t *testing.T) {
	t.Parallel()
	docs := generated()
	for _, page := range slices.Sorted(maps.Keys(docs)) {
		columns := 0
		for line := range strings.Lines(docs[page]) {
			if !strings.HasPrefix(line, "| ") {
				columns = 0
				continue
			}
			n := strings.Count(line, "|") - strings.Count(line, `\|`)
			if columns == 0 {
				columns = n
			}
			if n != columns {
				t.Errorf("%s: %s", page, line)
			}
		}
	}
}

// TestNestedBlocksAreOnTheirStrategysPage uses a strategy that only this test
// knows.
func TestNestedBlocksAreOnTheirStrategysPage(t *testing.T) {
	t.Parallel()
	got := strategyPage(lang.Strategy{
		Kind: "archive", Type: "vault", Summary: "objects in a vault",
		Attributes: []lang.Attribute{{Name: "encryption", Type: "reference to an encryption", Help: "how it is sealed", Optional: true, Unset: "not at all"}},
		Blocks: []lang.Block{
			{Name: "tls", Summary: "how the connection is encrypted", Required: true, Attributes: []lang.Attribute{{Name: "ca_file", Type: "string", Help: "h"}}},
			{Name: "rule", Summary: "what goes where", Repeatable: true, Blocks: []lang.Block{{Name: "match", Summary: "what else must hold"}}},
		},
	})
	for _, want := range []string{
		"| `encryption` | reference to an encryption | not at all | how it is sealed |", "\n## `tls`\n\nHow the connection is encrypted.\n\nIt is required.\n",
		"| `ca_file` | string | **required** | h |", "\n## `rule`\n\nWhat goes where.\n\nIt may be repeated.\n\n### `match`\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
}
