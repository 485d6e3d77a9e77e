package home_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
)

// TestSettingsThatNameWhatIsElsewhere: keys of encrypted settings and buckets are found
// by their values.
func TestSettingsThatNameWhatIsElsewhere(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "home", "shared", "keys", "javax.crypto.spec.SecretKeySpec_1")
	outside := filepath.Join(dir, "elsewhere", "javax.crypto.SealedObject_1")
	for _, path := range []string{inside, outside} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("key"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secret := func(sealed, key string) string {
		return `jdbc.password={"sealedObjectFilePath":"` + sealed + `","keyFilePath":"` + key + `"}` + "\n"
	}
	for name, c := range map[string]struct{ text, want, detail string }{
		"plain":            {"jdbc.password=secret\njdbc.url=jdbc:postgresql://db/b\n", "", ""},
		"keys in the home": {secret(inside, inside), "", ""},
		"key elsewhere":    {secret(outside, inside), "key files lie outside the home", outside},
		"key is gone":      {secret(inside, inside+"2"), "key files are missing", inside + "2"},
		"cipher text":      {`jdbc.password={ENC}abc` + "\n", "", ""},
		"bucket":           {"plugin.git-lfs.s3.bucket=objects\n", "objects in a bucket lie outside the backup", "objects"},
		"broken":           {"a=\\u12\n", "settings of Bitbucket cannot be read", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "home")
			if err := os.WriteFile(filepath.Join(path, "shared", "bitbucket.properties"), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			b := home.Base{Config: home.Config{Path: path}, Env: providers.Env{WorkDir: filepath.Join(dir, "work"), Parallelism: 1}}
			r, err := b.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, f := range r.Findings {
				if f.Severity != problem.Warning {
					t.Errorf("not a warning: %v", f)
				}
				if f.Summary != "no repositories" {
					found = append(found, f.Summary)
					if !strings.Contains(f.Detail, c.detail) {
						t.Error(f.Detail)
					}
				}
			}
			if got := strings.Join(found, ", "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
