package gpg

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/providertest"
)

// keyring is a folder of gpg with one secret key.
type keyring struct{ dir, key string }

// gpg runs the real one in a folder. Its agent ends with the test.
func gpg(t *testing.T, dir, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("gpg", append([]string{"--batch", "--no-tty", "--quiet", "--homedir", dir, "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gpg %q: %v\n%s", args, err, said.String())
	}
	return string(out)
}

// newDir is short: the agent's socket lies in it, and its path has a limit.
func newDir(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "bkp-gpg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		_ = os.RemoveAll(dir)
	})
	return dir
}

func newKeyring(t *testing.T, args ...string) keyring {
	t.Helper()
	dir := newDir(t)
	gpg(t, dir, "", append(args, "--quick-gen-key", "bkp test <test@example.com>", "future-default", "default", "1y")...)
	return keyring{dir, keyIn(t, dir)}
}

func keyIn(t *testing.T, dir string) string {
	t.Helper()
	for line := range strings.Lines(gpg(t, dir, "", "--with-colons", "--list-keys")) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	t.Fatal("no key")
	return ""
}

// public is a keyring with the public keys of others, which it trusts.
func public(t *testing.T, trust string, of ...keyring) string {
	t.Helper()
	dir := newDir(t)
	for _, k := range of {
		gpg(t, dir, gpg(t, k.dir, "", "--export", k.key), "--import")
		if trust != "" {
			gpg(t, dir, k.key+":"+trust+":\n", "--import-ownertrust")
		}
	}
	return dir
}

const ultimately = "6"

func newSealer(t *testing.T, cfg Config, identities ...string) providers.Sealer {
	t.Helper()
	if problems := cfg.ValidateConfig(); len(problems) > 0 {
		t.Fatal(problems)
	}
	s, err := providers.Encryptions.Open(Definition(), &cfg, providers.Env{Address: "encryption.gpg.keys", Host: &host.Host{}, Identities: identities})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealer(t *testing.T) {
	a, b, stranger := newKeyring(t), newKeyring(t), newKeyring(t)
	keys := public(t, ultimately, a, b)
	providertest.RunSealer(t, func(*testing.T) providertest.Sealing {
		return providertest.Sealing{
			New: func(t *testing.T, identities ...string) providers.Sealer {
				return newSealer(t, Config{Recipients: []string{a.key, strings.ToLower(b.key)}, Keyring: keys}, identities...)
			},
			Keys: []string{a.dir, b.dir}, Fingerprints: []string{a.key, b.key}, Stranger: stranger.dir,
		}
	})
}

// TestCheckFindsWhatCannotWork has what gpg refuses, in words for operators.
func TestCheckFindsWhatCannotWork(t *testing.T) {
	a, b := newKeyring(t), newKeyring(t)
	old := newKeyring(t, "--faked-system-time", "20200101T000000")
	keys := public(t, ultimately, a, old)
	for name, c := range map[string]struct {
		keyring   string
		key, want string
	}{
		"no such key": {keys, b.key, "there is no key"},
		"expired":     {keys, old.key, "has expired"},
		"not trusted": {public(t, "", a), a.key, "does not trust"},
		"no keyring":  {filepath.Join(keys, "gone"), a.key, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := newSealer(t, Config{Recipients: []string{c.key}, Keyring: c.keyring}).Check(t.Context())
			if err != nil || !r.Failed() || r.Findings[0].Summary != notUsable || !strings.Contains(r.Findings[0].Detail, c.want) || r.Findings[0].Remedy == "" {
				t.Errorf("found %v, %v; want %q", r.Findings, err, c.want)
			}
		})
	}
	t.Run("one", func(t *testing.T) {
		r, err := newSealer(t, Config{Recipients: []string{a.key}, Keyring: keys}).Check(t.Context())
		if err != nil || len(r.Findings) != 1 || r.Findings[0].Severity != problem.Warning {
			t.Errorf("found %v, %v", r.Findings, err)
		}
	})
	t.Run("no gpg", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		r, err := newSealer(t, Config{Recipients: []string{a.key}, Keyring: keys}).Check(t.Context())
		if err != nil || !r.Failed() || r.Findings[0].Remedy == "" {
			t.Errorf("found %v, %v", r.Findings, err)
		}
	})
}

func TestShortIDsAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "somebody@example.com", "DEADBEEF", strings.Repeat("A", 39), strings.Repeat("G", 40), "--homedir=/"} {
		if problems := (&Config{Recipients: []string{text}}).ValidateConfig(); len(problems) != 1 || problems[0].Remedy == "" {
			t.Errorf("%q: %v", text, problems)
		}
	}
	if problems := (&Config{Recipients: []string{"0123 4567 89ab cdef 0123  4567 89AB CDEF 0123 4567"}}).ValidateConfig(); len(problems) > 0 {
		t.Errorf("a fingerprint as gpg prints it: %v", problems)
	}
}
