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

// FuzzLoad proves that no text makes Load panic, that every diagnostic can be
// printed, and that it says what to do. Half of the texts are the values for
// variables, beside a configuration that uses them.
func FuzzLoad(f *testing.F) {
	for _, s := range corpus(f) {
		if strings.Contains(s.Name, ".bkp.hcl") {
			f.Add(s.Data, strings.HasSuffix(s.Name, ".json"), false)
		}
		if strings.Contains(s.Name, ".bkpvars") {
			f.Add(s.Data, strings.HasSuffix(s.Name, ".json"), true)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, asJSON, asValues bool) {
		files := map[string]string{}
		name := "main.bkp.hcl"
		if asValues {
			files[name] = fuzzedValues
			name = "bkp.bkpvars"
		}
		if asJSON {
			name += ".json"
		}
		files[name] = string(text)
		c, diags := lang.Load(write(t, files), lang.Options{
			Registry:  registry(),
			LookupEnv: func(k string) (string, bool) { return "value", k == "PW" },
		})
		if c == nil {
			t.Fatal("no configuration")
		}
		if !strings.HasPrefix(c.Digest(), "sha256:") {
			t.Error("no digest")
		}
		checkFuzzed(t, c, slices.Concat(diags, c.Review()))
		complete(t, c, diags)
	})
}

// FuzzTemplate proves the same for what templatefile, file, properties and
// jsondecode read.
func FuzzTemplate(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(s.Data)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, diags := lang.Load(write(t, map[string]string{"main.bkp.hcl": small + fuzzedFiles, "x": string(text)}), options())
		checkFuzzed(t, c, diags)
	})
}

const fuzzedValues = `
variable "a" {
  type = list(object({ name = string, keep = optional(number, 7) }))
}
variable "b" {
  type      = map(any)
  sensitive = true
  default   = {}
}
variable "c" {
  default = null
}
locals {
  names = { for x in var.a : x.name => x }
}
check "a" {
  for_each = local.names
  assert {
    condition     = each.value.keep > 6
    error_message = "${each.key} keeps ${each.value.keep}."
  }
}
`

const fuzzedFiles = `
locals {
  a = templatefile("x", { name = "a", list = ["a"], x = { y = 1 } })
  b = file("x")
  c = properties("x")
  d = jsondecode(local.b)
  e = jsonencode(local.d)
  f = csvdecode(local.b)
}
`

// corpus is every file of testdata.
func corpus(f *testing.F) []txtar.File {
	f.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	var out []txtar.File
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, unquoted(f, ar)...)
	}
	return out
}

func checkFuzzed(t *testing.T, c *lang.Config, diags hcl.Diagnostics) {
	t.Helper()
	for _, d := range diags {
		if remedy := lang.Remedy(d); d.Summary == "" || remedy == "" || !strings.HasSuffix(d.Detail, remedy) {
			t.Errorf("diagnostic without a remedy: %v", d)
		}
	}
	_ = render(t, c, diags)
}

// complete checks what Load promises when it reports no error.
func complete(t *testing.T, c *lang.Config, diags hcl.Diagnostics) {
	t.Helper()
	if diags.HasErrors() {
		return
	}
	for _, i := range c.Instances {
		if !i.Home.IsSet() || !i.Database.IsSet() || len(i.Archives) == 0 || i.URL == "" {
			t.Errorf("%s is not complete: %+v", i.Address, i)
		}
	}
}
