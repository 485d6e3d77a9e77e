package gpg

import (
	"fmt"
	"regexp"
	"strings"

	"bkp/providers"
)

// Config is the block encryption "gpg".
type Config struct {
	Recipients   []string `hcl:"recipients" help:"full fingerprints of the public keys for which archives are encrypted; the secret key of any one of them decrypts them" example:"[\"6A9C5EEE4C994E3372E2D9985ABEBFA068AAF5D5\", \"0123456789ABCDEF0123456789ABCDEF01234567\"]"`
	Keyring      string   `hcl:"keyring,optional" help:"folder of gpg that has the public keys, as in GNUPGHOME" unset:"that of the user who runs bkp" example:"/etc/bkp/gnupg"`
	IdentityFile string   `hcl:"identity_file,optional" help:"folder of gpg that has a secret key, for verify, drills and restores without --identity. A person who can read this machine can then read its backups" unset:"--identity names it when it is needed" example:"/mnt/usb/gnupg"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Encryptions, "gpg", "with gpg, for one or several OpenPGP keys", Config{},
		func(cfg Config, env providers.Env) (providers.Sealer, error) { return &sealer{cfg, env}, nil })
}

// fingerprint is that of a key of version 4 or 5. A short id could be anybody's.
var fingerprint = regexp.MustCompile(`^([0-9A-F]{40}|[0-9A-F]{64})$`)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	if len(c.Recipients) == 0 {
		out = append(out, providers.ConfigProblem{
			Attribute: "recipients", Summary: "no recipient", Detail: "there is nobody for whom to encrypt", Remedy: "give the fingerprint of a key:\n\n    gpg --list-keys\n",
		})
	}
	for _, r := range c.Recipients {
		if !fingerprint.MatchString(normal(r)) {
			out = append(out, providers.ConfigProblem{
				Attribute: "recipients", Summary: "not a fingerprint", Detail: fmt.Sprintf("%q is none: it has 40 hexadecimal digits", r),
				Remedy: "give the whole fingerprint, because names and short ids may be somebody else's:\n\n    gpg --list-keys --fingerprint\n",
			})
		}
	}
	return out
}

// normal is the one form of a fingerprint.
func normal(text string) string { return strings.ToUpper(strings.ReplaceAll(text, " ", "")) }

// sealer implements providers.Sealer.
type sealer struct {
	cfg Config
	env providers.Env
}

var _ providers.Sealer = (*sealer)(nil)

// Method implements providers.Sealer.
func (*sealer) Method() string { return "gpg" }

// IdentityFiles implements providers.Sealer.
func (s *sealer) IdentityFiles() []string {
	if s.cfg.IdentityFile == "" {
		return nil
	}
	return []string{s.cfg.IdentityFile}
}
