package lang_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"

	"bkp/lang"
)

// FuzzLoad proves that no text makes Load panic, and that every diagnostic can
// be printed and tells something.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range ar.Files {
			if strings.Contains(s.Name, ".bkp.hcl") {
				f.Add(s.Data, strings.HasSuffix(s.Name, ".json"))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, asJSON bool) {
		dir := t.TempDir()
		name := "main.bkp.hcl"
		if asJSON {
			name += ".json"
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, diags := lang.Load(dir, lang.Options{
			Registry:  registry(),
			LookupEnv: func(k string) (string, bool) { return "value", k == "PW" },
		})
		if c == nil {
			t.Fatal("no configuration")
		}
		if !strings.HasPrefix(c.Digest(), "sha256:") {
			t.Error("no digest")
		}
		for _, d := range diags {
			if d.Summary == "" || d.Detail == "" {
				t.Errorf("diagnostic says nothing: %v", d)
			}
		}
		_ = render(t, c, diags)
		complete(t, c, diags)
		c, diags = lang.Load(dir, lang.Options{Registry: registry(), Offline: true, LookupEnv: func(string) (string, bool) { return "", false }})
		_ = render(t, c, diags)
		_ = render(t, c, c.Review())
	})
}

// complete checks what Load promises when it reports no error.
func complete(t *testing.T, c *lang.Config, diags hcl.Diagnostics) {
	t.Helper()
	if diags.HasErrors() {
		return
	}
	for _, i := range c.Instances {
		if i.Home == nil || i.Database == nil || len(i.Archives) == 0 || i.URL == "" {
			t.Errorf("%s is not complete: %+v", i.Address, i)
		}
	}
}
