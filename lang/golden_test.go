package lang_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"

	"bkp/lang"
)

var update = flag.Bool("update", false, "write the golden sections of testdata/*.txtar")

// TestGolden loads each folder under testdata, a txtar archive, and compares
// its diagnostics and what it resolves to. Sections that are not configuration
// files:
//
//	env          lines NAME=VALUE
//	vars         the same for --var, or @FILE for --var-file
//	diagnostics  golden, as hcl.NewDiagnosticTextWriter prints them
//	resolved     golden, if there was no error
//	registry     if it is there, the strategies are those of kinds_test.go, too
//	NAME.quoted  the file NAME, as Go strings: for bytes that are no text
//
// Values that a test calls hunter2 are secrets, and appear in neither.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			golden(t, file)
		})
	}
}

func golden(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, diags, dir := load(t, ar)
	got := map[string]string{"diagnostics": relative(render(t, c, slices.Concat(diags, c.Review())), dir)}
	if !diags.HasErrors() {
		got["resolved"] = relative(resolved(t, c), dir)
	}
	for name, text := range got {
		if strings.Contains(stripSource(text), "hunter2") {
			t.Errorf("%s shows a secret:\n%s", name, text)
		}
	}
	if *update {
		rewrite(t, file, ar, got)
		return
	}
	for _, name := range []string{"diagnostics", "resolved"} {
		if diff := cmp.Diff(section(ar, name), got[name]); diff != "" {
			t.Errorf("%s (-want +got; `go test ./lang -update` accepts):\n%s", name, diff)
		}
	}
}

// load unpacks the archive's configuration and loads it.
func load(t *testing.T, ar *txtar.Archive) (*lang.Config, hcl.Diagnostics, string) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range unquoted(t, ar) {
		if strings.Contains(f.Name, ".") {
			if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	env, strategies := pairs(section(ar, "env")), registry()
	if section(ar, "registry") != "" {
		strategies = wider()
	}
	c, diags := lang.Load(dir, lang.Options{
		Registry:  strategies,
		Values:    values(section(ar, "vars"), dir),
		LookupEnv: func(k string) (string, bool) { v, ok := env[k]; return v, ok },
		Version:   "1.2.3",
	})
	return c, diags, dir
}

// unquoted are the files of an archive, those in Go strings as what they hold.
func unquoted(t testing.TB, ar *txtar.Archive) []txtar.File {
	t.Helper()
	var out []txtar.File
	for _, f := range ar.Files {
		if name, ok := strings.CutSuffix(f.Name, ".quoted"); ok {
			f = txtar.File{Name: name, Data: unquote(t, f.Data)}
		}
		out = append(out, f)
	}
	return out
}

func unquote(t testing.TB, lines []byte) []byte {
	t.Helper()
	var out []byte
	for line := range strings.Lines(string(lines)) {
		text, err := strconv.Unquote(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, text...)
	}
	return out
}

func render(t *testing.T, c *lang.Config, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&b, c.Files(), 0, false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func resolved(t *testing.T, c *lang.Config) string {
	t.Helper()
	r := c.Resolved()
	if !strings.HasPrefix(c.StateDir, c.Dir) {
		// The default depends on who runs the test.
		delete(r, "bkp")
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// relative takes the test's own folder out, and the white space that editors
// remove.
func relative(text, dir string) string {
	text = strings.ReplaceAll(text, dir+string(filepath.Separator), "")
	text = strings.ReplaceAll(text, dir, "DIR")
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return strings.Join(lines, "\n")
}

// stripSource drops the snippets, which show what the configuration says.
func stripSource(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		number, _, ok := strings.Cut(strings.TrimLeft(line, " "), ": ")
		if !ok || strings.Trim(number, "0123456789") != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

func section(ar *txtar.Archive, name string) string {
	for _, f := range ar.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func pairs(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			out[k] = v
		}
	}
	return out
}

// values are the command line: NAME=VALUE for --var, @FILE for --var-file.
func values(text, dir string) []lang.Value {
	var out []lang.Value
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if file, ok := strings.CutPrefix(line, "@"); ok {
			out = append(out, lang.Value{File: filepath.Join(dir, file)})
		} else if k, v, ok := strings.Cut(line, "="); ok {
			out = append(out, lang.Value{Name: k, Text: v})
		}
	}
	return out
}

func rewrite(t *testing.T, file string, ar *txtar.Archive, got map[string]string) {
	t.Helper()
	out := &txtar.Archive{Comment: ar.Comment}
	for _, f := range ar.Files {
		if f.Name != "diagnostics" && f.Name != "resolved" {
			out.Files = append(out.Files, f)
		}
	}
	for _, name := range []string{"diagnostics", "resolved"} {
		if text, ok := got[name]; ok {
			out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	if err := os.WriteFile(file, txtar.Format(out), 0o600); err != nil {
		t.Fatal(err)
	}
}
