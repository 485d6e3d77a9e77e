package manual_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bkp/internal/cli"
	"bkp/internal/dist/manual"
)

func pages(t *testing.T) map[string][]byte {
	t.Helper()
	return manual.Pages(cli.Describe(), "v1.2.3", time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC))
}

// Every command has a page, and the first page names all of them.
func TestEveryCommandHasAPage(t *testing.T) {
	all := pages(t)
	leaves := cli.Describe().Commands.Leaves(true)
	if len(all) != len(leaves)+1 {
		t.Errorf("%d pages of %d commands", len(all), len(leaves))
	}
	first := strings.ReplaceAll(string(all["bkp.1"]), `\-`, "-")
	for _, c := range leaves {
		name := "bkp-" + c.Path()
		if len(all[name+".1"]) == 0 {
			t.Errorf("no page %s.1", name)
		}
		if !strings.Contains(first, name) {
			t.Errorf("bkp.1 does not name %s", name)
		}
	}
}

// shown is what man shows of a page, and what it complains of.
func shown(t *testing.T, page []byte) (text, complaints string) {
	t.Helper()
	const tool = "groff"
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "page.1")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), tool, "-t", "-man", "-ww", "-Kutf8", "-Tutf8", "-P-cbou", "-rLL=200n", "-rHY=0", path)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	return out.String(), said.String()
}

// What a page shows is what the grammar says, down to characters that mean something
// in Markdown or to troff, and troff has nothing to complain of.
func TestPagesShowWhatTheGrammarSays(t *testing.T) {
	all := pages(t)
	for _, c := range cli.Describe().Commands.Leaves(true) {
		text, complaints := shown(t, all["bkp-"+c.Path()+".1"])
		if complaints != "" {
			t.Errorf("%s: %s", c.Path(), complaints)
		}
		words := strings.Join(strings.Fields(text), " ")
		intro, examples := cli.Details(c)
		for _, want := range append([]string{c.Help, intro}, strings.Split(examples, "\n")...) {
			want = strings.TrimSuffix(strings.Join(strings.Fields(want), " "), ".")
			if !strings.Contains(words, want) {
				t.Errorf("the page of %s does not show %q:\n%s", c.Path(), want, text)
			}
		}
		for _, f := range c.Flags {
			if !f.Hidden && !strings.Contains(words, "--"+f.Name) {
				t.Errorf("the page of %s does not show --%s", c.Path(), f.Name)
			}
		}
	}
	text, complaints := shown(t, all["bkp.1"])
	if complaints != "" || !strings.Contains(text, "BKP_VAR_name") || !strings.Contains(text, "/etc/bkp/*.bkp.hcl") {
		t.Errorf("bkp.1: %s\n%s", complaints, text)
	}
}
