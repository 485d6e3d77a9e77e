package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/internal/event"
	"bkp/internal/ui/markdown"
	"bkp/internal/ui/text"
	"bkp/lang"
	"bkp/providers/providertest/example/vault"
)

func engineOf(t *testing.T, text string) *Engine {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, diags := lang.Load(dir, lang.Options{Registry: vault.Registry()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return &Engine{Front: silent{}, Config: config, Offline: true}
}

const twoVaults = `
instance "prod" {
  url      = "https://b.example"
  token    = "t"
  home     = home.disk.a
  database = database.inner.a
  archives = [archive.vault.near, archive.vault.far]
}
home "disk" "a" {}
database "inner" "a" {}
encryption "age" "keys" {}
archive "vault" "near" { encryption = encryption.age.keys }
archive "vault" "far" { encryption = encryption.age.keys }
`

func TestWhatTwoReferToIsOpenedOnce(t *testing.T) {
	s := engineOf(t, twoVaults)
	o, err := s.open(s.Config.Instances[0], event.Discard{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	near, far := o.archivers["archive.vault.near"].(vault.Vault), o.archivers["archive.vault.far"].(vault.Vault)
	if near.Sealed.Key().Address != "encryption.age.keys" || near.Sealed.Key() != far.Sealed.Key() {
		t.Errorf("sealed by %v and %v", near.Sealed, far.Sealed)
	}
	database := o.strategies["database.inner.a"].(vault.Part)
	if about := database.Env.Instance; !about.EmbeddedDatabase || about.Home != "/srv/home" {
		t.Errorf("the database knows %+v", about)
	}
	if another, err := s.open(s.Config.Instances[0], event.Discard{}, 1); err != nil || another.archivers["archive.vault.near"].(vault.Vault).Sealed.Key() == near.Sealed.Key() {
		t.Errorf("two runs share what they opened: %v", err)
	}
}

func TestAPlanSaysWhatIsReferredTo(t *testing.T) {
	s := engineOf(t, twoVaults)
	o, err := s.open(s.Config.Instances[0], event.Discard{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	result, err := planner.Offline(s.request(o, records{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"archive.vault.near", "archive.vault.far"} {
		if got := result.Plan.Refers[address]; !slices.Equal(got, []string{"encryption.age.keys"}) {
			t.Errorf("%s refers to %v", address, got)
		}
	}
	var shown strings.Builder
	text.Page{Out: &shown}.Plan(result.Plan)
	if err := markdown.Plan(&shown, plan.File{Plans: []plan.Plan{result.Plan}}, nil); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(shown.String(), "archive.vault.far works with encryption.age.keys\n"); n != 2 {
		t.Errorf("it is shown %d times:\n%s", n, shown.String())
	}
}
