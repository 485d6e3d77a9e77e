package settings_test

import (
	"os"
	"path/filepath"
	"testing"

	"bkp/providers/internal/settings"
)

// TestWhereBitbucketLooks: the environment counts before the file, and no file is no error.
func TestWhereBitbucketLooks(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "shared"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "shared", "bitbucket.properties"), []byte("jdbc.url=file\njdbc.user=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JDBC_USER", "environment")
	for folder, want := range map[string]string{home: "file", filepath.Join(home, "shared"): "file", filepath.Join(home, "nowhere"): "", "": ""} {
		setting, err := settings.Of(folder)
		if err != nil {
			t.Fatal(err)
		}
		if got := setting("jdbc.url"); got != want {
			t.Errorf("%q: jdbc.url is %q, want %q", folder, got, want)
		}
		if got := setting("jdbc.user"); got != "environment" {
			t.Errorf("%q: jdbc.user is %q", folder, got)
		}
	}
}
