package lang_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"bkp/internal/secret"
	"bkp/lang"
	"bkp/providers"
)

// What only tests know: two kinds, and strategies that refer to them and have
// nested blocks.
type (
	machine interface{ Machine() string }
	sealer  interface{ Seal() string }

	sshConfig struct {
		Host string                 `hcl:"host" help:"name of the machine" example:"nfs1"`
		Jump providers.Ref[machine] `hcl:"jump,optional" kind:"connection" help:"machine on the way" unset:"straight there"`
	}
	ageConfig struct {
		Recipients []string               `hcl:"recipients,optional" help:"who can read it"`
		On         providers.Ref[machine] `hcl:"on,optional" kind:"connection" help:"where the keys lie" unset:"this machine"`
	}
	vaultConfig struct {
		Destination string                  `hcl:"destination" help:"folder of the archives" example:"/backup"`
		Encryption  providers.Ref[sealer]   `hcl:"encryption,optional" kind:"encryption" help:"how it is sealed" unset:"not at all" example:"encryption.age.main"`
		Readers     []providers.Ref[sealer] `hcl:"readers,optional" kind:"encryption" help:"who else can read it"`
		TLS         tlsConfig               `hcl:"tls,block" help:"how the connection is encrypted"`
		Limits      *limitsConfig           `hcl:"limits,block" help:"how much it may take"`
		Rules       []ruleConfig            `hcl:"rule,block" help:"what goes where"`
	}
	tlsConfig struct {
		CAFile string        `hcl:"ca_file" help:"file of the authority" example:"/etc/ca.pem"`
		Key    secret.String `hcl:"key,optional" help:"private key of the client" unset:"no client certificate"`
	}
	limitsConfig struct {
		Rate int `hcl:"rate,optional" help:"megabytes a second"`
	}
	ruleConfig struct {
		Prefix string                `hcl:"prefix" help:"names that it is for"`
		With   providers.Ref[sealer] `hcl:"with,optional" kind:"encryption" help:"how these are sealed" unset:"as the others"`
		Match  []matchConfig         `hcl:"match,block" help:"what else must hold"`
	}
	matchConfig struct {
		Tag string `hcl:"tag" help:"name of a tag"`
	}
)

// SetDefaults implements providers.Defaulter.
func (l *limitsConfig) SetDefaults() { l.Rate = 50 }

// ValidateConfig implements providers.ConfigValidator.
func (l *limitsConfig) ValidateConfig() []providers.ConfigProblem {
	if l.Rate > 0 {
		return nil
	}
	return []providers.ConfigProblem{{Attribute: "rate", Summary: "nothing can pass", Detail: "the rate is 0", Remedy: "give a number above 0"}}
}

type opened string

func (o opened) Machine() string { return string(o) }
func (o opened) Seal() string    { return string(o) }

// sealed is an archiver that shows what its configuration opens.
type sealed struct {
	providers.Archiver
	by []string
}

var (
	machines = providers.NewKind[machine]("connection", providers.About{Summary: "another machine", Plural: "connections"})
	sealers  = providers.NewKind[sealer]("encryption", providers.About{Summary: "how backups are sealed", Plural: "encryptions"})
)

func openVault(c vaultConfig, _ providers.Env) (providers.Archiver, error) {
	out := sealed{}
	refs := append([]providers.Ref[sealer]{c.Encryption}, c.Readers...)
	for _, r := range c.Rules {
		refs = append(refs, r.With)
	}
	for _, r := range refs {
		if !r.IsSet() {
			continue
		}
		s, err := r.Open()
		if err != nil {
			return nil, err
		}
		out.by = append(out.by, s.Seal())
	}
	return out, nil
}

// wider is the registry of the other tests with what only tests know.
func wider() *providers.Registry {
	vault := providers.Define(providers.Archives, "vault", "objects in a vault", vaultConfig{}, openVault)
	ssh := providers.Define(machines, "ssh", "by ssh", sshConfig{}, func(c sshConfig, _ providers.Env) (machine, error) { return opened(c.Host), nil })
	age := providers.Define(sealers, "age", "by age", ageConfig{}, func(c ageConfig, env providers.Env) (sealer, error) {
		return opened(env.Address), nil
	})
	return providers.NewRegistry(append(registry().Definitions(), vault, ssh, age)...)
}

const instanceOfVault = `
instance "a" {
  url      = "https://b.example"
  token    = env("T")
  home     = home.none.x
  database = database.none.x
  archives = [archive.vault.v]
}

home "none" "x" {}
database "none" "x" {}
encryption "age" "keys" {}
encryption "age" "team" {}
`

func loadWider(t *testing.T, text string, o lang.Options) *lang.Config {
	t.Helper()
	o.Registry = wider()
	c, diags := lang.Load(write(t, map[string]string{"main.bkp.hcl": instanceOfVault + text}), o)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return c
}

const vaultOfTeam = `
archive "vault" "v" {
  destination = "/backup"
  encryption  = encryption.age.keys
  readers     = [encryption.age.team, encryption.age.keys]

  tls {
    ca_file = "ca.pem"
    key     = env("KEY")
  }
  limits {}
  rule {
    prefix = "a"
  }
  rule {
    prefix = "b"
    with   = encryption.age.team
    match { tag = "x" }
    match { tag = "y" }
  }
}
`

func known(string) (string, bool) { return "hunter2", true }

func TestReferencesOpenWhatTheyLeadTo(t *testing.T) {
	t.Parallel()
	c := loadWider(t, vaultOfTeam, lang.Options{LookupEnv: known})
	vault := component(t, c, "archive.vault.v")
	if want := []string{"encryption.age.keys", "encryption.age.team"}; !slices.Equal(vault.Refers, want) {
		t.Errorf("it refers to %v, want %v", vault.Refers, want)
	}
	var asked []string
	open := func(address string) (any, error) {
		asked = append(asked, address)
		return sealers.Open(component(t, c, address).Definition, component(t, c, address).Config, providers.Env{Address: address})
	}
	made, err := providers.Archives.Open(vault.Definition, vault.Config, providers.Env{Open: open})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"encryption.age.keys", "encryption.age.team", "encryption.age.keys", "encryption.age.team"}
	if got := made.(sealed).by; !slices.Equal(got, want) || !slices.Equal(asked, want) {
		t.Errorf("sealed by %v, asked for %v", got, asked)
	}
	if _, err := vault.Config.(*vaultConfig).Rules[1].With.Open(); err == nil {
		t.Error("a reference of the configuration itself opens")
	}
	broken := errors.New("broken")
	_, err = vault.Definition.Open(vault.Config, providers.Env{Open: func(string) (any, error) { return nil, broken }})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if _, err := vault.Definition.Open(vault.Config, providers.Env{Open: func(string) (any, error) { return 7, nil }}); err == nil {
		t.Error("a number seals")
	}
}

func TestNestedBlocksAreDecoded(t *testing.T) {
	t.Parallel()
	c := loadWider(t, vaultOfTeam, lang.Options{LookupEnv: known})
	got := component(t, c, "archive.vault.v").Config.(*vaultConfig)
	if got.TLS.CAFile != "ca.pem" || got.TLS.Key.Reveal() != "hunter2" || got.Limits == nil || got.Limits.Rate != 50 {
		t.Errorf("tls %v, limits %v", got.TLS, got.Limits)
	}
	if len(got.Rules) != 2 || got.Rules[1].With.Address != "encryption.age.team" || len(got.Rules[1].Match) != 2 || got.Rules[1].Match[1].Tag != "y" {
		t.Errorf("rules %+v", got.Rules)
	}
	if at := component(t, c, "archive.vault.v").Attrs["rule[1].match[1].tag"]; at.Start.Line == 0 {
		t.Error("nobody knows where the tag stands")
	}
}

func TestNestedBlocksMayBeOutOfReach(t *testing.T) {
	t.Parallel()
	c := loadWider(t, vaultOfTeam, lang.Options{Offline: true, LookupEnv: func(string) (string, bool) { return "", false }})
	if want := []string{"tls.key"}; !slices.Equal(c.Open()["archive.vault.v"], want) {
		t.Errorf("open is %v, want %v", c.Open(), want)
	}
	values := c.Resolved()["archive.vault.v"]
	if got := string(values["encryption"]); got != `"encryption.age.keys"` {
		t.Errorf("a reference is shown as %s", got)
	}
	if got := string(values["tls.key"]); !strings.Contains(got, "backup machine") {
		t.Errorf("what is out of reach is shown as %s", got)
	}
}

func TestDescribeShowsReferencesAndNestedBlocks(t *testing.T) {
	t.Parallel()
	s := lang.Describe(wider())
	var names []string
	for _, b := range s.Blocks {
		names = append(names, b.Name)
	}
	if want := []string{"bkp", "variable", "locals", "instance", "home", "database", "archive", "connection", "encryption", "retention", "check"}; !slices.Equal(names, want) {
		t.Errorf("blocks %v, want %v", names, want)
	}
	i := slices.IndexFunc(s.Strategies, func(st lang.Strategy) bool { return st.Address() == "archive.vault" })
	vault := s.Strategies[i]
	checkAttributes(t, "vault", vault.Attributes)
	types := map[string]string{}
	for _, a := range vault.Attributes {
		types[a.Name] = a.Type
	}
	if types["encryption"] != "reference to an encryption" || types["readers"] != "list of references to encryption blocks" {
		t.Errorf("types %v", types)
	}
	text, err := json.Marshal(vault.Blocks)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"name":"tls","summary":"how the connection is encrypted","required":true`, `"name":"rule","summary":"what goes where","repeatable":true`, `"default":"50"`, `"name":"match"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the schema lacks %s:\n%s", want, text)
		}
	}
	if want := `archive "vault" "main" {
  destination = "/backup"
  encryption  = encryption.age.main

  tls {
    ca_file = "/etc/ca.pem"
  }
}
`; vault.Example != want {
		t.Errorf("example\n%s", vault.Example)
	}
}
