package funcs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"bkp/lang/funcs"
)

// source reads from a folder that holds files of every sort.
func source(t *testing.T) funcs.Source {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pw.txt":            "s3cret\n",
		"utf8.properties":   "# comment\njdbc.url = jdbc:postgresql://db/bitbucket\nname=Zo\u00eb\nraw=${jdbc.url}\n",
		"latin1.properties": "name=Zo\xeb\n",
		"none.properties":   "",
		"bad.properties":    "a=\\u12\n",
		"greet.tpl":         "hello ${name}%{ for h in hosts }, ${h}%{ endfor }",
		"broken.tpl":        "line 1\n${name +}",
		"fails.tpl":         "line 1\n${name + 1}",
		"self.tpl":          "${templatefile(\"self.tpl\", {})}",
		"bare.tpl":          "${hosts}",
		"binary":            "\xff\xfe",
		"large":             strings.Repeat("x", 1<<20+1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"SET": "value", "EMPTY": ""}
	return funcs.Source{Dir: dir, LookupEnv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}
}

func eval(t *testing.T, s funcs.Source, text string) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(text), "test", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return expr.Value(&hcl.EvalContext{Functions: funcs.Table(s)})
}

func TestValues(t *testing.T) {
	t.Parallel()
	s := source(t)
	tests := []struct {
		text string
		want cty.Value
		mark funcs.Mark
	}{
		{`env("SET")`, cty.StringVal("value"), funcs.External},
		{`env("SET", "other")`, cty.StringVal("value"), funcs.External},
		{`env("EMPTY", "other")`, cty.StringVal(""), funcs.External},
		{`env("UNSET", "other")`, cty.StringVal("other"), ""},
		{`env("UNSET", null)`, cty.NullVal(cty.String), ""},
		{`file("pw.txt")`, cty.StringVal("s3cret\n"), funcs.External},
		{`"${chomp(file("pw.txt"))}!"`, cty.StringVal("s3cret!"), funcs.External},
		{`properties("utf8.properties")["jdbc.url"]`, cty.StringVal("jdbc:postgresql://db/bitbucket"), funcs.External},
		{`properties("utf8.properties").raw`, cty.StringVal("${jdbc.url}"), funcs.External},
		{`properties("utf8.properties").name`, cty.StringVal("Zoë"), funcs.External},
		{`properties("latin1.properties").name`, cty.StringVal("Zoë"), funcs.External},
		{`properties("none.properties")`, cty.MapValEmpty(cty.String), funcs.External},
		{`templatefile("greet.tpl", { name = "Zoë", hosts = ["a"] })`, cty.StringVal("hello Zoë, a"), funcs.External},
		{`templatefile("bare.tpl", { hosts = tolist(["a"]) })`, cty.ListVal([]cty.Value{cty.StringVal("a")}), funcs.External},
		{`sensitive("a")`, cty.StringVal("a"), funcs.Sensitive},
		{`upper(sensitive("a"))`, cty.StringVal("A"), funcs.Sensitive},
		{`try(env("UNSET"), "fallback")`, cty.StringVal("fallback"), ""},
		{`can(env("UNSET"))`, cty.False, ""},
		{`join("-", sort(tolist(["b", "a"])))`, cty.StringVal("a-b"), ""},
		{`replace("a.b", "/[.]/", "-")`, cty.StringVal("a-b"), ""},
		{`replace("a/b", "/", "-")`, cty.StringVal("a-b"), ""},
		{`length("Zoë")`, cty.NumberIntVal(3), ""},
		{`length([1, 2])`, cty.NumberIntVal(2), ""},
		{`regex("[0-9]+", "a12b")`, cty.StringVal("12"), ""},
		{`lookup({ a = 1 }, "b", 2)`, cty.NumberIntVal(2), ""},
		{`lookup({ a = 1 }, "a")`, cty.NumberIntVal(1), ""},
		{`lookup({ a = 1 }, "b", null)`, cty.NullVal(cty.DynamicPseudoType), ""},
		{`lookup(tomap({ a = "1" }), "b", 2)`, cty.StringVal("2"), ""},
		{`coalesce(null, "", "a", "b")`, cty.StringVal("a"), ""},
		{`coalesce(env("EMPTY"), "a")`, cty.StringVal("a"), funcs.External},
		{`coalesce(sensitive(""), "a")`, cty.StringVal("a"), funcs.Sensitive},
		{`coalesce("a", sensitive("b"))`, cty.StringVal("a"), ""},
		{`coalesce(null, 0, 1)`, cty.NumberIntVal(0), ""},
		{`coalesce([], ["a"])`, cty.ListValEmpty(cty.String), ""},
		{`index(["a", "b"], "b")`, cty.NumberIntVal(1), ""},
		{`one([])`, cty.NullVal(cty.DynamicPseudoType), ""},
		{`one(toset(["a"]))`, cty.StringVal("a"), ""},
		{`sum([1, 2.5])`, cty.NumberFloatVal(3.5), ""},
		{`sum([])`, cty.NumberIntVal(0), ""},
		{`alltrue([])`, cty.True, ""},
		{`alltrue([true, null])`, cty.False, ""},
		{`alltrue([true, "true"])`, cty.True, ""},
		{`anytrue([])`, cty.False, ""},
		{`anytrue([null, true])`, cty.True, ""},
		{`startswith("https://x", "https://")`, cty.True, ""},
		{`endswith("a.zst", ".gz")`, cty.False, ""},
		{`strcontains("abc", "b")`, cty.True, ""},
		{`basename("/a/b.txt")`, cty.StringVal("b.txt"), ""},
		{`dirname("/a/b.txt")`, cty.StringVal(filepath.FromSlash("/a")), ""},
		{`base64encode("Zoë")`, cty.StringVal("Wm/Dqw=="), ""},
		{`base64decode("Wm/Dqw==")`, cty.StringVal("Zoë"), ""},
		{`sha256("")`, cty.StringVal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), ""},
		{`issensitive(sensitive("a"))`, cty.True, ""},
		{`issensitive(env("SET"))`, cty.False, ""},
		{`nonsensitive(sensitive("a"))`, cty.StringVal("a"), ""},
		{`nonsensitive(sensitive(env("SET")))`, cty.StringVal("value"), funcs.External},
		{`jsonencode({ a = [1, true] })`, cty.StringVal(`{"a":[1,true]}`), ""},
		{`ceil(abs(-1.5))`, cty.NumberIntVal(2), ""},
		{`contains(["a"], "a")`, cty.True, ""},
		{`merge({ a = 1 }, { b = 2 }).b`, cty.NumberIntVal(2), ""},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			got, diags := eval(t, s, tt.text)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			plain, marks := got.UnmarkDeep()
			if !plain.RawEquals(tt.want) {
				t.Errorf("got %#v, want %#v", plain, tt.want)
			}
			wantMarks := cty.ValueMarks{}
			if tt.mark != "" {
				wantMarks[tt.mark] = struct{}{}
			}
			if len(marks)+len(wantMarks) > 0 && !cmp.Equal(map[any]struct{}(marks), map[any]struct{}(wantMarks)) {
				t.Errorf("marks %v, want %v", marks, wantMarks)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s := source(t)
	tests := []struct {
		text string
		// want are the thing at fault and the remedy.
		want []string
	}{
		{`env("UNSET")`, []string{"UNSET is not set", "export UNSET=", `env("UNSET", "…")`}},
		{`env("UNSET", "a", "b")`, []string{"a name and at most one default"}},
		{`env(null)`, []string{"must not be null"}},
		{`file("missing")`, []string{filepath.Join(s.Dir, "missing"), "create it"}},
		{`file(".")`, []string{"not a regular file"}},
		{`file("binary")`, []string{"binary is not UTF-8"}},
		{`file("large")`, []string{"larger than 1 MiB"}},
		{`file("a\u0000b")`, []string{"cannot be read"}},
		{`templatefile("missing", {})`, []string{filepath.Join(s.Dir, "missing"), "create it"}},
		{`templatefile("greet.tpl", { name = "x" })`, []string{"greet.tpl:1", `needs a value for "hosts"`, "add it"}},
		{`templatefile("greet.tpl", "x")`, []string{"given as an object"}},
		{`templatefile("broken.tpl", {})`, []string{"broken.tpl:2"}},
		{`templatefile("fails.tpl", { name = "x" })`, []string{"fails.tpl:2"}},
		{`templatefile("self.tpl", {})`, []string{"templatefile"}},
		{`templatefile("binary", {})`, []string{"not UTF-8"}},
		{`length(5)`, []string{"collection"}},
		{`replace("a", "/(/", "b")`, []string{"missing closing )"}},
		{`coalesce(null, "")`, []string{"null or empty", "add one"}},
		{`coalesce()`, []string{"at least one argument"}},
		{`lookup({ a = 1 }, "b")`, []string{"key does not exist", "give a default"}},
		{`lookup({ a = 1 }, "b", 1, 2)`, []string{"one default"}},
		{`lookup(tomap({ a = 1 }), "b", [])`, []string{"type of the map's elements, number"}},
		{`lookup(["a"], 0)`, []string{"a map or an object is required"}},
		{`index(["a"], "b")`, []string{"does not hold the value", "contains"}},
		{`index("a", "b")`, []string{"a list is required, not string"}},
		{`one(["a", "b"])`, []string{"more than one element", "leave out all but one"}},
		{`one("a")`, []string{"is required, not string"}},
		{`sum([1, null])`, []string{"an element is null", "remove it"}},
		{`base64decode("!")`, []string{"not Base64", "check"}},
		{`base64decode("/w==")`, []string{"not UTF-8"}},
		{`properties("bad.properties")`, []string{"not a Java properties file", "correct it"}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			_, diags := eval(t, s, tt.text)
			if !diags.HasErrors() {
				t.Fatal("no error")
			}
			for _, w := range tt.want {
				if !strings.Contains(diags.Error(), w) {
					t.Errorf("%q does not say %q", diags.Error(), w)
				}
			}
		})
	}
}

// TestAbsolutePath proves that only relative paths begin at the folder.
func TestAbsolutePath(t *testing.T) {
	t.Parallel()
	s := source(t)
	path := filepath.Join(s.Dir, "pw.txt")
	s.Dir = t.TempDir()
	got, diags := eval(t, s, `chomp(file("`+filepath.ToSlash(path)+`"))`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if plain, _ := got.Unmark(); plain.AsString() != "s3cret" {
		t.Errorf("got %#v", plain)
	}
}

// TestObserve proves that whatever comes from outside is reported.
func TestObserve(t *testing.T) {
	t.Parallel()
	s := source(t)
	var seen []string
	s.Observe = func(v cty.Value) { seen = append(seen, v.GoString()) }
	for _, text := range []string{`env("SET")`, `file("pw.txt")`, `properties("latin1.properties")`, `env("UNSET", "mine")`} {
		if _, diags := eval(t, s, text); diags.HasErrors() {
			t.Fatal(diags)
		}
	}
	want := []string{`cty.StringVal("value")`, `cty.StringVal("s3cret\n")`, `cty.MapVal(map[string]cty.Value{"name":cty.StringVal("Zoë")})`}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}
