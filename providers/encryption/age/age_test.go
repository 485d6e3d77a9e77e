package age

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/providertest"
)

// TestMain lets the test's own program be the plugin age-plugin-bkptest.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "age-plugin-bkptest" {
		os.Exit(m.Run())
	}
	p, err := plugin.New("bkptest")
	if err != nil {
		panic(err)
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) { return age.ParseX25519Recipient(string(data)) })
	p.HandleIdentity(func(data []byte) (age.Identity, error) { return age.ParseX25519Identity(string(data)) })
	os.Exit(p.Main())
}

// pair is a public key and the file of its secret one.
type pair struct{ recipient, fingerprint, file string }

func writeKey(t *testing.T, recipient, secret string) pair {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(file, []byte("# made by a test\n\n"+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return pair{recipient, fingerprintOf(recipient), file}
}

func x25519(t *testing.T) pair {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return writeKey(t, id.Recipient().String(), id.String())
}

func hybrid(t *testing.T) pair {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return writeKey(t, id.Recipient().String(), id.String())
}

func sshKey(t *testing.T, passphrase string) pair {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "id_ed25519")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return pair{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), ssh.FingerprintSHA256(key), file}
}

// plugged is a key that only the plugin can use.
func plugged(t *testing.T) pair {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "age-plugin-bkptest")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return writeKey(t, plugin.EncodeRecipient("bkptest", []byte(id.Recipient().String())), plugin.EncodeIdentity("bkptest", []byte(id.String())))
}

func newSealer(t *testing.T, cfg Config, identities ...string) providers.Sealer {
	t.Helper()
	d := Definition()
	s, err := providers.Encryptions.Open(d, &cfg, providers.Env{Address: "encryption.age.keys", Identities: identities})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealing(first, second, stranger pair) providertest.Sealing {
	return providertest.Sealing{
		New: func(t *testing.T, identities ...string) providers.Sealer {
			return newSealer(t, Config{Recipients: []string{first.recipient, second.recipient}}, identities...)
		},
		Keys: []string{first.file, second.file}, Fingerprints: []string{first.fingerprint, second.fingerprint}, Stranger: stranger.file,
	}
}

func TestSealer(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) providertest.Sealing{
		"age":    func(t *testing.T) providertest.Sealing { return sealing(x25519(t), x25519(t), x25519(t)) },
		"ssh":    func(t *testing.T) providertest.Sealing { return sealing(sshKey(t, ""), x25519(t), sshKey(t, "")) },
		"hybrid": func(t *testing.T) providertest.Sealing { return sealing(hybrid(t), hybrid(t), hybrid(t)) },
		"plugin": func(t *testing.T) providertest.Sealing { return sealing(plugged(t), x25519(t), x25519(t)) },
	} {
		t.Run(name, func(t *testing.T) { providertest.RunSealer(t, make) })
	}
}

func TestRecipientsFile(t *testing.T) {
	a, b := x25519(t), x25519(t)
	file := filepath.Join(t.TempDir(), "recipients.txt")
	if err := os.WriteFile(file, []byte("# ours\n"+a.recipient+"\n\n"+b.recipient+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := newSealer(t, Config{Recipients: []string{a.recipient}, RecipientsFile: file}).Recipients(t.Context())
	if err != nil || len(got) != 2 {
		t.Errorf("recipients %q, %v", got, err)
	}
}

// TestCheckFindsWhatCannotWork has the summaries of what an operator is shown.
func TestCheckFindsWhatCannotWork(t *testing.T) {
	a, quantum := x25519(t), hybrid(t)
	foreign := plugin.EncodeRecipient("bkpnotthere", []byte("x"))
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"one":                  {Config{Recipients: []string{a.recipient}}, oneRecipient},
		"the same twice":       {Config{Recipients: []string{a.recipient, a.recipient}}, oneRecipient},
		"plugin":               {Config{Recipients: []string{a.recipient, foreign}}, "age plugin is missing"},
		"kinds that mix badly": {Config{Recipients: []string{a.recipient, quantum.recipient}}, "nothing can be encrypted for the recipients"},
		"no file":              {Config{RecipientsFile: filepath.Join(t.TempDir(), "gone")}, "file of recipients cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := newSealer(t, c.cfg).Check(t.Context())
			if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != c.want || r.Findings[0].Remedy == "" {
				t.Errorf("found %v, %v; want %q", r.Findings, err, c.want)
			}
		})
	}
}

// TestSecretsAreInNoMessage: a secret key in the place of a public one, and a
// damaged one, are refused without a part of them.
func TestSecretsAreInNoMessage(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	cfg := &Config{Recipients: []string{id.String(), "age1nonsense", "github:somebody"}}
	problems := cfg.ValidateConfig()
	if len(problems) != 3 {
		t.Errorf("found %v", problems)
	}
	broken := writeKey(t, "age1x", id.String()[:40]+"!"+id.String()[41:])
	_, err = newSealer(t, Config{Recipients: []string{x25519(t).recipient}}, broken.file).Open(t.Context(), bytes.NewReader(nil))
	text := fmt.Sprint(problems, err)
	if err == nil || strings.Contains(text, id.String()[20:40]) || problem.Remedy(err) == "" {
		t.Error(text)
	}
}

func TestIdentityWithAPassphrase(t *testing.T) {
	k := sshKey(t, "secret")
	s := newSealer(t, Config{Recipients: []string{k.recipient}}, k.file)
	if _, err := s.Open(t.Context(), bytes.NewReader(nil)); err == nil || !strings.Contains(err.Error(), errProtected.Error()) || problem.Remedy(err) == "" {
		t.Errorf("open: %v", err)
	}
}
