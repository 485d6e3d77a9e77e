package cli

import (
	"slices"
	"strings"
	"testing"

	"bkp/internal/completion"
	"bkp/internal/ui/text"
	"bkp/lang"
	"bkp/providers/providertest/example/vault"
)

func TestNestedBlocksAreTopics(t *testing.T) {
	t.Parallel()
	schema := lang.Describe(vault.Registry())
	for _, name := range []string{"archive.vault.tls", "instance.lock", "encryption.age", functionsName} {
		if !slices.ContainsFunc(topics(schema), func(found topic) bool { return found.name == name && found.help != "" }) {
			t.Errorf("%s is not completed", name)
		}
		if _, ok := choose(schema, name); !ok {
			t.Errorf("%s is not shown", name)
		}
	}
	if chosen, _ := choose(schema, "archive.vault.tls"); len(chosen.Blocks) != 1 || chosen.Blocks[0].Attributes[0].Name != "ca_file" {
		t.Errorf("chosen %+v", chosen)
	}
	candidates := schemaCandidates(nil)
	if !slices.ContainsFunc(candidates, func(c completion.Candidate) bool { return c.Value == "variable.validation" }) {
		t.Errorf("candidates %v", candidates)
	}
	if got := strings.Join(schemaNames(schema), " "); !strings.Contains(got, "archive.vault.tls") {
		t.Errorf("names %s", got)
	}
}

func TestAStrategyIsShownWithItsNestedBlocks(t *testing.T) {
	t.Parallel()
	chosen, _ := choose(lang.Describe(vault.Registry()), "archive.vault")
	var out strings.Builder
	text.Page{Out: &out}.Strategy(chosen.Strategies[0])
	for _, want := range []string{"reference to an encryption, required", "\n\ntls\nhow the connection is encrypted\n\n  ca_file  string, required\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, out.String())
		}
	}
}
