package settings_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"bkp/providers/internal/settings"
)

// written makes a home whose file has a text.
func written(t *testing.T, text string) string {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "shared"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "shared", "bitbucket.properties"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}

// TestWhereBitbucketLooks: the environment counts before the file, and no file is no error.
func TestWhereBitbucketLooks(t *testing.T) {
	home := written(t, "jdbc.url=file\njdbc.user=file\nserver.proxy-name=file\n")
	t.Setenv("JDBC_USER", "environment")
	t.Setenv("SERVER_PROXYNAME", "as Spring has it")
	for folder, want := range map[string]string{home: "file", filepath.Join(home, "shared"): "file", filepath.Join(home, "nowhere"): "", "": ""} {
		s, err := settings.Read(folder)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Get("jdbc.url"); got != want {
			t.Errorf("%q: jdbc.url is %q, want %q", folder, got, want)
		}
		if got, where := s.Find("jdbc.user"); got != "environment" || where != "JDBC_USER in the environment" {
			t.Errorf("%q: jdbc.user is %q by %s", folder, got, where)
		}
		if got := s.Get("server.proxy-name"); got != "as Spring has it" {
			t.Errorf("%q: server.proxy-name is %q", folder, got)
		}
	}
}

// TestAll: what the environment has in its place does not count in the file.
func TestAll(t *testing.T) {
	home := written(t, "jdbc.url=file\njdbc.user=file\n")
	t.Setenv("JDBC_USER", "environment")
	s, err := settings.Read(home)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]settings.Entry{}
	for _, e := range s.All() {
		found[e.Name] = e
	}
	if e, ok := found["jdbc.user"]; ok {
		t.Errorf("jdbc.user of the file counts: %+v", e)
	}
	if e := found["JDBC_USER"]; e.Value != "environment" || !e.IsVariable {
		t.Errorf("%+v", e)
	}
	if e := found["jdbc.url"]; e.Value != "file" || e.IsVariable || e.Where != "jdbc.url in "+filepath.Join(home, "shared", "bitbucket.properties") {
		t.Errorf("%+v", e)
	}
}

// TestAFileThatCannotBeRead: the environment counts all the same, and a pipe does not block.
func TestAFileThatCannotBeRead(t *testing.T) {
	t.Setenv("JDBC_URL", "environment")
	s, err := settings.Read(written(t, "a=\\u12\n"))
	if !errors.Is(err, settings.ErrBroken) || s.Get("jdbc.url") != "environment" {
		t.Errorf("%v, %q", err, s.Get("jdbc.url"))
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "bitbucket.properties"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Read(home); err == nil || errors.Is(err, settings.ErrBroken) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder gives %v", err)
	}
}
