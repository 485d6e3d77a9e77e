package format_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/tools/txtar"

	"bkp/lang/format"
)

var update = flag.Bool("update", false, "write the golden sections of testdata/*.txtar")

func parse(src []byte) (*hclsyntax.Body, hcl.Diagnostics) {
	file, diags := hclsyntax.ParseConfig(src, "main.bkp.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	return file.Body.(*hclsyntax.Body), nil
}

// proper checks what formatting promises: it is idempotent, it is still valid,
// and it declares the same.
func proper(t *testing.T, src []byte) []byte {
	t.Helper()
	before, diags := parse(src)
	if diags.HasErrors() {
		t.Fatalf("the test's own text is wrong: %v", diags)
	}
	out, err := format.Source(src)
	if err != nil {
		t.Fatalf("%v:\n%s", err, src)
	}
	after, diags := parse(out)
	if diags.HasErrors() {
		t.Fatalf("formatting broke it: %v\nfrom\n%s\nto\n%s", diags, src, out)
	}
	if diff := cmp.Diff(outline(before), outline(after)); diff != "" {
		t.Fatalf("formatting changed the meaning (-before +after):\n%s\nfrom\n%s\nto\n%s", diff, src, out)
	}
	if diff := cmp.Diff(comments(src), comments(out)); diff != "" {
		t.Fatalf("formatting changed the comments:\n%s", diff)
	}
	again, err := format.Source(out)
	if err != nil {
		t.Fatalf("second time: %v", err)
	}
	if diff := cmp.Diff(string(out), string(again)); diff != "" {
		t.Fatalf("not idempotent (-once +twice):\n%s", diff)
	}
	return out
}

// outline writes a syntax tree without its positions, without brackets that
// only group, and without "${ }" around a whole expression.
func outline(body *hclsyntax.Body) string {
	var b strings.Builder
	write(&b, reflect.ValueOf(body), 0)
	return b.String()
}

func write(b *strings.Builder, v reflect.Value, depth int) {
	indent := strings.Repeat(" ", depth)
	switch x := v.Interface().(type) {
	case *hclsyntax.TemplateWrapExpr:
		write(b, reflect.ValueOf(x.Wrapped), depth)
		return
	case *hclsyntax.ParenthesesExpr:
		write(b, reflect.ValueOf(x.Expression), depth)
		return
	case cty.Value:
		fmt.Fprintf(b, "%s%#v\n", indent, x)
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			write(b, v.Elem(), depth)
		}
	case reflect.Slice:
		for i := range v.Len() {
			write(b, v.Index(i), depth+1)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			fmt.Fprintf(b, "%s%s:\n", indent, k)
			write(b, v.MapIndex(k), depth+1)
		}
	case reflect.Struct:
		fmt.Fprintf(b, "%s%s\n", indent, v.Type())
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && f.Type != reflect.TypeFor[hcl.Range]() && f.Type != reflect.TypeFor[[]hcl.Range]() {
				fmt.Fprintf(b, "%s .%s\n", indent, f.Name)
				write(b, v.Field(i), depth+2)
			}
		}
	default:
		fmt.Fprintf(b, "%s%v\n", indent, v)
	}
}

func comments(src []byte) []string {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	var out []string
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenComment {
			out = append(out, strings.TrimRight(string(t.Bytes), "\r\n"))
		}
	}
	return out
}

var corpus = []string{"../testdata/*.txtar", "testdata/*.txtar"}

// sources are all files in native syntax of the language's tests and of the
// examples, with errors or without.
func sources(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, pattern := range corpus {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("nothing matches %s: %v", pattern, err)
		}
		for _, file := range files {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range ar.Files {
				if strings.HasSuffix(f.Name, ".hcl") || strings.HasSuffix(f.Name, ".bkpvars") {
					out[file+"/"+f.Name] = f.Data
				}
			}
		}
	}
	files, err := filepath.Glob("../../examples/*/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[file] = text
	}
	return out
}

func TestCorpusKeepsItsMeaning(t *testing.T) {
	for name, src := range sources(t) {
		if _, diags := parse(src); diags.HasErrors() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			proper(t, src)
			windows := bytes.ReplaceAll(src, []byte("\n"), []byte("\r\n"))
			proper(t, windows)
			proper(t, append([]byte("\xef\xbb\xbf"), src...))
			proper(t, bytes.TrimRight(src, "\n"))
		})
	}
}

func TestExamplesAreFormatted(t *testing.T) {
	for name, src := range sources(t) {
		if strings.Contains(name, "examples") {
			if diff := cmp.Diff(string(src), string(proper(t, src))); diff != "" {
				t.Errorf("%s is not formatted (-is +should be):\n%s", name, diff)
			}
		}
	}
}

// TestGolden formats the section in.hcl of each archive and compares it with
// out.hcl.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := proper(t, ar.Files[0].Data)
			if *update {
				ar.Files = []txtar.File{ar.Files[0], {Name: "out.hcl", Data: got}}
				if err := os.WriteFile(file, txtar.Format(ar), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(ar.Files) != 2 {
				t.Fatal("want the sections in.hcl and out.hcl; `go test ./lang/format -update` writes the second")
			}
			if diff := cmp.Diff(string(ar.Files[1].Data), string(got)); diff != "" {
				t.Errorf("(-want +got; `go test ./lang/format -update` accepts):\n%s", diff)
			}
		})
	}
}

func TestOddTexts(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"blank", "\n\n\n", ""},
		{"byte order mark", "\xef\xbb\xbfa=1\n", "a = 1\n"},
		{"no final newline", "a=1", "a = 1\n"},
		{"comment at the end", "a=1 # c", "a = 1 # c\n"},
		{"block comment at the end", "a = 1 /* c */", "a = 1 /* c */\n"},
		{"carriage returns", "a=1\r\n\r\nbb=2\r\n\r\n", "a = 1\r\n\r\nbb = 2\r\n"},
		{"tabs", "a\t{\n\tb\t=\t1\n}\n", "a {\n  b = 1\n}\n"},
		{"heredoc keeps its carriage returns", "a = <<E\r\n x \r\nE\r\n", "a = <<E\r\n x \r\nE\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, string(proper(t, []byte(test.in)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzFormat proves that what formatting promises holds for every text that
// the parser accepts, and that no other text makes it panic.
func FuzzFormat(f *testing.F) {
	for _, src := range sources(f) {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<12 {
			return // a deep one would overflow the parser's stack
		}
		if !utf8.Valid(src) {
			if _, err := format.Source(src); !errors.Is(err, format.ErrUnsafe) {
				t.Errorf("formatted what is no text: %v", err)
			}
			return
		}
		if _, diags := parse(src); diags.HasErrors() {
			_, _ = format.Source(src)
			return
		}
		proper(t, src)
	})
}
