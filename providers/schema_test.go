package providers_test

import (
	"testing"
	"time"

	"bkp/internal/secret"
	"bkp/providers"
)

func TestAttributeTexts(t *testing.T) {
	t.Parallel()
	attrs := providers.SchemaOf(struct {
		Path   string            `hcl:"path" help:"h" example:"/a \"b\""`
		Mode   string            `hcl:"mode,optional" help:"h"`
		Owner  string            `hcl:"owner,optional" help:"h" unset:"nobody"`
		Jobs   int               `hcl:"jobs,optional" help:"h" example:"4"`
		Logs   bool              `hcl:"logs,optional" help:"h"`
		Stores []string          `hcl:"stores,optional" help:"h" example:"[\"/a\"]"`
		Labels map[string]string `hcl:"labels,optional" help:"h"`
		Wait   time.Duration     `hcl:"wait,optional" help:"h" example:"5m"`
		Grace  time.Duration     `hcl:"grace,optional" help:"h"`
		Long   time.Duration     `hcl:"long,optional" help:"h"`
		Secret secret.String     `hcl:"secret,optional" help:"h" example:"PASSWORD"`
	}{Mode: "fast", Jobs: 2, Wait: 10 * time.Minute, Grace: 90 * time.Second, Long: 2 * time.Hour, Secret: secret.New("never shown")})
	want := map[string]struct{ standard, unset, example string }{
		"path":   {"", "", `"/a \"b\""`},
		"mode":   {`"fast"`, "", ""},
		"owner":  {"", "nobody", ""},
		"jobs":   {"2", "", "4"},
		"logs":   {"false", "", ""},
		"stores": {"[]", "", `["/a"]`},
		"labels": {"{}", "", ""},
		"wait":   {`"10m"`, "", `"5m"`},
		"grace":  {`"1m30s"`, "", ""},
		"long":   {`"2h"`, "", ""},
		"secret": {"", "", `env("PASSWORD")`},
	}
	for _, a := range attrs.Attributes {
		w := want[a.Name]
		if a.DefaultText() != w.standard || a.Unset != w.unset || a.ExampleText() != w.example {
			t.Errorf("%s: default %s, unset %s, example %s", a.Name, a.DefaultText(), a.Unset, a.ExampleText())
		}
	}
}
