package age

import (
	"fmt"

	"bkp/internal/problem"
	"bkp/providers"
)

// Config is the block encryption "age".
type Config struct {
	Recipients     []string `hcl:"recipients,optional" help:"public keys for which archives are encrypted; the secret key of any one of them decrypts them. Keys of age (age1…, age1pq1…), of its plugins, and of SSH (ssh-ed25519, ssh-rsa)" unset:"those of recipients_file" example:"[\"age1v0a3wfhdq74kgag53njwdn4ruv4ghrknjw4lmfezfytz6zxvda0qavnn5c\", \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExSuI4c1Xmh9fQLnW8pp9RBWcbTI7ZermbxHiEkFDgr ops@example.com\"]"`
	RecipientsFile string   `hcl:"recipients_file,optional" help:"file with more public keys, one a line" unset:"there are no more" example:"/etc/bkp/recipients.txt"`
	IdentityFile   string   `hcl:"identity_file,optional" help:"file with a secret key, for verify, drills and restores without --identity. A person who can read this machine can then read its backups" unset:"--identity names it when it is needed" example:"/mnt/usb/key.txt"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Encryptions, "age", "with age, for one or several public keys", Config{},
		func(cfg Config, env providers.Env) (providers.Sealer, error) { return &sealer{cfg, env}, nil })
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	if len(c.Recipients) == 0 && c.RecipientsFile == "" {
		out = append(out, providers.ConfigProblem{
			Attribute: "recipients", Summary: "no recipient", Detail: "there is nobody for whom to encrypt",
			Remedy: "make a key on another machine, and put its public key here:\n\n    age-keygen -o key.txt\n",
		})
	}
	for i, text := range c.Recipients {
		if _, err := parseRecipient(text, nil); err != nil {
			out = append(out, providers.ConfigProblem{
				Attribute: "recipients", Summary: badRecipient, Detail: fmt.Sprintf("number %d: %v", i+1, err), Remedy: badRecipientRemedy,
			})
		}
	}
	return out
}

const (
	badRecipient       = "recipient cannot be used"
	badRecipientRemedy = "give a public key as age-keygen -y or a file such as id_ed25519.pub has it"
	oneRecipient       = "one recipient alone"
)

// sealer implements providers.Sealer.
type sealer struct {
	cfg Config
	env providers.Env
}

var _ providers.Sealer = (*sealer)(nil)

// Method implements providers.Sealer.
func (*sealer) Method() string { return "age" }

// IdentityFiles implements providers.Sealer.
func (s *sealer) IdentityFiles() []string {
	if s.cfg.IdentityFile == "" {
		return nil
	}
	return []string{s.cfg.IdentityFile}
}

func warnOne(fingerprint string) *problem.Problem {
	return problem.Warn(oneRecipient, "without the secret key of "+fingerprint+" all backups that are encrypted for it are lost",
		"add a second recipient, whose secret key lies in another place")
}
