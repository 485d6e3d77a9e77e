package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/completion"
	"bkp/internal/event"
	"bkp/internal/plan"
	"bkp/internal/planner"
	"bkp/internal/ui/markdown"
	"bkp/internal/ui/text"
	"bkp/lang"
	"bkp/providers"
)

// Strategies that only these tests know: archives that are sealed by keys, and
// a database that lies in the home.
type (
	sealer interface{ Key() *keys }
	keys   struct{ address string }

	vaultConfig struct {
		Encryption providers.Ref[sealer] `hcl:"encryption" kind:"encryption" help:"how it is sealed"`
		TLS        *tlsConfig            `hcl:"tls,block" help:"how the connection is encrypted"`
	}
	tlsConfig struct {
		CAFile string `hcl:"ca_file" help:"file of the authority"`
	}
	vault struct {
		providers.Archiver
		sealed sealer
	}
	part struct {
		providers.Strategy
		env providers.Env
	}
)

func (k *keys) Key() *keys { return k }

// Root implements providers.Rooted.
func (part) Root() string { return "/srv/home" }

func vaults() *providers.Registry {
	encryptions := providers.NewKind[sealer]("encryption", providers.About{Summary: "how backups are sealed", Plural: "encryptions"})
	open := func(_ struct{}, env providers.Env) (providers.Strategy, error) { return part{env: env}, nil }
	return providers.NewRegistry(
		providers.Define(providers.Homes, "disk", "a home", struct{}{}, open),
		providers.Define(providers.Databases, "inner", "in the home", struct{}{}, open, providers.Inside(providers.Homes)),
		providers.Define(providers.Archives, "vault", "a vault", vaultConfig{}, func(c vaultConfig, _ providers.Env) (providers.Archiver, error) {
			s, err := c.Encryption.Open()
			return vault{sealed: s}, err
		}),
		providers.Define(encryptions, "age", "by age", struct{}{}, func(_ struct{}, env providers.Env) (sealer, error) {
			return &keys{env.Address}, nil
		}),
	)
}

func sessionOf(t *testing.T, text string) *session {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, diags := lang.Load(dir, lang.Options{Registry: vaults()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return &session{config: config, offline: true}
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
	s := sessionOf(t, twoVaults)
	o, err := s.open(s.config.Instances[0], event.Discard{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	near, far := o.archivers["archive.vault.near"].(vault), o.archivers["archive.vault.far"].(vault)
	if near.sealed.Key().address != "encryption.age.keys" || near.sealed.Key() != far.sealed.Key() {
		t.Errorf("sealed by %v and %v", near.sealed, far.sealed)
	}
	database := o.strategies["database.inner.a"].(part)
	if about := database.env.Instance; !about.EmbeddedDatabase || about.Home != "/srv/home" {
		t.Errorf("the database knows %+v", about)
	}
	if another, err := s.open(s.config.Instances[0], event.Discard{}, 1); err != nil || another.archivers["archive.vault.near"].(vault).sealed.Key() == near.sealed.Key() {
		t.Errorf("two runs share what they opened: %v", err)
	}
}

func TestAPlanSaysWhatIsReferredTo(t *testing.T) {
	s := sessionOf(t, twoVaults)
	o, err := s.open(s.config.Instances[0], event.Discard{}, 1)
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

func TestNestedBlocksAreTopics(t *testing.T) {
	t.Parallel()
	schema := lang.Describe(vaults())
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
	chosen, _ := choose(lang.Describe(vaults()), "archive.vault")
	var out strings.Builder
	text.Page{Out: &out}.Strategy(chosen.Strategies[0])
	for _, want := range []string{"reference to an encryption, required", "\n\ntls\nhow the connection is encrypted\n\n  ca_file  string, required\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, out.String())
		}
	}
}
