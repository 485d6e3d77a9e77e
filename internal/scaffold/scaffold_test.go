package scaffold_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/tools/txtar"

	"bkp/internal/scaffold"
	"bkp/lang"
	"bkp/providers/all"
)

var update = flag.Bool("update", false, "write the golden sections of testdata/*.txtar")

// TestGolden makes a starter from each home under testdata, loads it, and
// compares it and its warnings with the sections main.bkp.hcl and warnings.
// No password of a home is in either; all are hunter2.
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
			dir := t.TempDir()
			put(t, filepath.Join(dir, ar.Files[0].Name), ar.Files[0].Data)
			found, warnings, err := scaffold.ReadHome(dir, nowhere)
			if err != nil {
				t.Fatal(err)
			}
			starter, err := scaffold.Write(scaffold.Defaults().With(found), all.Registry())
			if err != nil {
				t.Fatal(err)
			}
			loads(t, starter)
			var warned strings.Builder
			for _, w := range append(warnings, starter.Warnings...) {
				warned.WriteString(w.Error() + "; " + w.Remedy + "\n")
			}
			got := []txtar.File{
				ar.Files[0],
				{Name: "main.bkp.hcl", Data: []byte(strings.ReplaceAll(string(starter.Text), dir, "/HOME"))},
				{Name: "warnings", Data: []byte(strings.ReplaceAll(warned.String(), dir, "/HOME"))},
			}
			if strings.Contains(string(got[1].Data)+warned.String(), "hunter2") {
				t.Error("a password was copied")
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(&txtar.Archive{Comment: ar.Comment, Files: got}), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(ar.Files, got); diff != "" {
				t.Errorf("(-want +got; `go test ./internal/scaffold -update` accepts):\n%s", diff)
			}
		})
	}
}

func put(t testing.TB, name string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// loads checks that a starter is valid with the variables that it names.
func loads(t *testing.T, starter scaffold.Starter) {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "main.bkp.hcl"), starter.Text)
	env := map[string]string{}
	for _, name := range starter.Env {
		env[name] = "x"
	}
	_, diags := lang.Load(dir, lang.Options{
		Registry:  all.Registry(),
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	if diags.HasErrors() {
		t.Errorf("the starter is not valid: %v\n%s", diags, starter.Text)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	starter, err := scaffold.Write(scaffold.Defaults(), all.Registry())
	if err != nil {
		t.Fatal(err)
	}
	loads(t, starter)
	if diff := cmp.Diff([]string{"BITBUCKET_BACKUP_PASSWORD", "BKP_DB_PASSWORD"}, starter.Env); diff != "" {
		t.Error(diff)
	}
}

func TestReadHome(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := scaffold.ReadHome(dir, nowhere); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder gives %v", err)
	}
	put(t, filepath.Join(dir, "home", "shared", "bitbucket.properties"), nil)
	for _, given := range []string{"home", filepath.Join("home", "shared")} {
		f, warnings, err := scaffold.ReadHome(filepath.Join(dir, given), nowhere)
		if err != nil || f.Home != filepath.Join(dir, "home") || len(warnings) != 0 || f.URL != "" {
			t.Errorf("%s gives %+v, %v, %v", given, f, warnings, err)
		}
	}
	put(t, filepath.Join(dir, "broken", "bitbucket.properties"), []byte(`a=\u00zz`))
	if _, _, err := scaffold.ReadHome(filepath.Join(dir, "broken"), nowhere); err == nil || !strings.Contains(err.Error(), "not a Java properties file") {
		t.Errorf("a broken file gives %v", err)
	}
	put(t, filepath.Join(dir, "folder", "bitbucket.properties", "x"), nil)
	if _, _, err := scaffold.ReadHome(filepath.Join(dir, "folder"), nowhere); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder gives %v", err)
	}
}

// FuzzReadHome proves that whatever stands in bitbucket.properties, the
// starter can be parsed and names the three parts of an instance.
func FuzzReadHome(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(ar.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "shared", "bitbucket.properties"), text)
		found, _, err := scaffold.ReadHome(dir, nowhere)
		if err != nil {
			return
		}
		starter, err := scaffold.Write(scaffold.Defaults().With(found), all.Registry())
		if err != nil {
			t.Fatal(err)
		}
		file, diags := hclsyntax.ParseConfig(starter.Text, "", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, starter.Text)
		}
		if n := len(file.Body.(*hclsyntax.Body).Blocks); n != 5 {
			t.Fatalf("%d blocks:\n%s", n, starter.Text)
		}
	})
}

// nowhere is an environment without variables.
func nowhere(string) (string, bool) { return "", false }

// In a container, settings come from the environment: with the file they count before
// it, and without one they are enough. The password is referred to where it is.
func TestReadHomeOfAContainer(t *testing.T) {
	env := map[string]string{
		"JDBC_URL": "jdbc:postgresql://db:5433/bitbucket", "JDBC_USER": "bit", "JDBC_PASSWORD": "hunter2",
		"SERVER_PROXY_NAME": "git.example.com", "SERVER_PROXY_PORT": "443", "SERVER_SCHEME": "https",
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	dir := t.TempDir()
	check := func(t *testing.T) {
		t.Helper()
		f, warnings, err := scaffold.ReadHome(dir, lookup)
		if err != nil || len(warnings) > 0 {
			t.Fatal(err, warnings)
		}
		starter, err := scaffold.Write(scaffold.Defaults().With(f), all.Registry())
		if err != nil {
			t.Fatal(err)
		}
		text := string(starter.Text)
		for _, want := range []string{`host     = "db"`, "port     = 5433", `username = "bit"`, `env("JDBC_PASSWORD")`, `"https://git.example.com"`} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		if strings.Contains(text, "hunter2") {
			t.Errorf("the password was copied:\n%s", text)
		}
	}
	t.Run("without a file", check)
	if err := os.Mkdir(filepath.Join(dir, "shared"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := "jdbc.url=jdbc:postgresql://other/other\njdbc.user=other\njdbc.password=other\n"
	if err := os.WriteFile(filepath.Join(dir, "shared", "bitbucket.properties"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("before the file", check)
}
