package age

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/plugin"
	"filippo.io/age/tag"
	"golang.org/x/crypto/ssh"

	"bkp/internal/host"
	"bkp/internal/problem"
)

const (
	// maxFile bounds what is read of a file of keys, in bytes.
	maxFile = 1 << 20
	// readable is how long a key may be that is its own fingerprint, in bytes.
	readable = 80
)

// recipient is a public key, and how it is called.
type recipient struct {
	key         age.Recipient
	fingerprint string
}

// parseRecipient reads one public key. Its errors never have the text: it may be a
// secret key by mistake.
func parseRecipient(text string, ui *plugin.ClientUI) (recipient, error) {
	text = strings.TrimSpace(text)
	var key age.Recipient
	var err error
	switch {
	case strings.HasPrefix(text, "ssh-"):
		return parseSSH(text)
	case strings.HasPrefix(text, "AGE-"):
		return recipient{}, errors.New("it is a secret key, which opens the backups: replace it by a new pair")
	case strings.HasPrefix(text, "age1tag1"), strings.HasPrefix(text, "age1tagpq1"):
		key, err = tag.ParseRecipient(text)
	case strings.HasPrefix(text, "age1pq1"):
		key, err = age.ParseHybridRecipient(text)
	case strings.HasPrefix(text, "age1") && strings.Count(text, "1") > 1:
		key, err = plugin.NewRecipient(text, ui)
	case strings.HasPrefix(text, "age1"):
		key, err = age.ParseX25519Recipient(text)
	default:
		err = errors.New("it is no public key of age, its plugins or SSH")
	}
	if err != nil {
		return recipient{}, err
	}
	return recipient{key, fingerprintOf(text)}, nil
}

func parseSSH(text string) (recipient, error) {
	key, err := agessh.ParseRecipient(text)
	if err != nil {
		return recipient{}, err
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return recipient{}, err
	}
	return recipient{key, ssh.FingerprintSHA256(public)}, nil
}

// fingerprintOf calls a key of age by itself, if somebody could compare it.
func fingerprintOf(text string) string {
	if len(text) <= readable {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// recipients are all of the block, each once.
func (s *sealer) recipients() ([]recipient, error) {
	texts := slices.Clone(s.cfg.Recipients)
	if s.cfg.RecipientsFile != "" {
		data, err := host.ReadRegular(s.cfg.RecipientsFile, maxFile)
		if err != nil {
			return nil, problem.Wrap(err, "file of recipients cannot be read", "let the user that runs bkp read it, or correct recipients_file")
		}
		texts = append(texts, lines(data)...)
	}
	var out []recipient
	for i, text := range texts {
		r, err := parseRecipient(text, s.ui())
		if err != nil {
			return nil, problem.New(badRecipient, fmt.Sprintf("number %d of %s: %v", i+1, s.env.Address, err), badRecipientRemedy)
		}
		if !slices.ContainsFunc(out, func(have recipient) bool { return have.fingerprint == r.fingerprint }) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, problem.New("no recipient", s.env.Address+" has nobody for whom to encrypt", "add a public key to "+s.cfg.RecipientsFile)
	}
	return out, nil
}

// lines are those that hold a key.
func lines(data []byte) []string {
	var out []string
	for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
		if text := strings.TrimSpace(sc.Text()); text != "" && !strings.HasPrefix(text, "#") {
			out = append(out, text)
		}
	}
	return out
}

// Recipients implements providers.Sealer.
func (s *sealer) Recipients(context.Context) ([]string, error) {
	all, err := s.recipients()
	var out []string
	for _, r := range all {
		out = append(out, r.fingerprint)
	}
	slices.Sort(out)
	return out, err
}

// ui is what plugins see: nobody who answers.
func (s *sealer) ui() *plugin.ClientUI {
	nobody := errors.New("it asks a question, and bkp runs unattended")
	return &plugin.ClientUI{
		DisplayMessage: func(name, message string) error {
			s.env.Warning("age-plugin-" + name + ": " + message)
			return nil
		},
		RequestValue: func(string, string, bool) (string, error) { return "", nobody },
		Confirm:      func(string, string, string, string) (bool, error) { return false, nobody },
		WaitTimer:    func(name string) { s.env.Warning("waiting for age-plugin-" + name) },
	}
}
