package home_test

import (
	"os"
	"path/filepath"
	"slices"
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
		"other path":       {`jdbc.password={"elsewhere":"` + outside + `"}` + "\n", "key files lie outside the home", outside},
		"cipher text":      {`jdbc.password={ENC}abc` + "\n", "", ""},
		"bucket":           {"plugin.git-lfs.s3.bucket=objects\n", "objects in a bucket lie outside the backup", "objects"},
		"broken":           {"a=\\u12\n", "settings of Bitbucket cannot be read", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "home", "shared", "bitbucket.properties"), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			warned(t, filepath.Join(dir, "home"), c.want, c.detail)
		})
	}
}

// warned fails unless the settings of a home are the reason for this warning, or for none.
func warned(t *testing.T, path, want, detail string) {
	t.Helper()
	var found []string
	for _, f := range checked(t, path, providers.Database{}) {
		if f.Severity != problem.Warning {
			t.Errorf("not a warning: %v", f)
		}
		found = append(found, f.Summary)
		if !strings.Contains(f.Detail, detail) {
			t.Error(f.Detail)
		}
	}
	if got := strings.Join(found, ", "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// checked are the findings about the settings of a home.
func checked(t *testing.T, path string, database providers.Database) []providers.Finding {
	t.Helper()
	b := home.Base{Config: home.Config{Path: path}, Env: providers.Env{WorkDir: filepath.Join(filepath.Dir(path), "work"), Parallelism: 1, Instance: providers.Instance{Database: database}}}
	r, err := b.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(r.Findings, func(f providers.Finding) bool { return f.Summary == "no repositories" })
}

// TestSettingsInTheEnvironment: a container has them there, with what is nothing of
// Bitbucket's.
func TestSettingsInTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "home")
	if err := os.MkdirAll(filepath.Join(path, "shared", "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(dir, "elsewhere", "javax.crypto.spec.SecretKeySpec_1")
	inside := filepath.Join(path, "shared", "key")
	const away = "key files lie outside the home"
	for name, c := range map[string]struct{ variable, value, want, detail string }{
		"key elsewhere":        {"JDBC_PASSWORD", `{"sealedObjectFilePath":"` + outside + `"}`, away, "JDBC_PASSWORD in the environment) need " + outside},
		"path of a class":      {"com_atlassian_db_config_password_ciphers_algorithm_javax_crypto_spec_SecretKeySpec", outside, away, outside},
		"key is gone":          {"PLUGIN_SEARCH_CONFIG_PASSWORD", `{"keyFilePath":"` + inside + `"}`, "key files are missing", inside},
		"JSON of others":       {"KUBE_CONFIG", `{"path":"` + outside + `"}`, "", ""},
		"bucket of LFS":        {"PLUGIN_GIT_LFS_S3_BUCKET", "objects", "objects in a bucket lie outside the backup", "objects"},
		"bucket of a plugin":   {"PLUGIN_STORAGE_S3_BUCKET", "objects", "objects in a bucket lie outside the backup", "PLUGIN_STORAGE_S3_BUCKET in the environment"},
		"bucket of bkp itself": {"BKP_VAR_S3_BUCKET", "backups", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			warned(t, path, c.want, c.detail)
		})
	}
}
