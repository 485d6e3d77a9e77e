package age

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"

	"bkp/internal/host"
	"bkp/internal/problem"
)

const identityUnusable = "identity cannot be used"

// errProtected is of a file that only a passphrase opens.
var errProtected = errors.New("it is protected by a passphrase, and bkp asks for none")

// identities are the secret keys of this run, read anew.
func (s *sealer) identities() ([]age.Identity, error) {
	var out []age.Identity
	for _, path := range slices.Concat(s.env.Identities, s.IdentityFiles()) {
		if fi, err := os.Stat(path); err == nil && fi.IsDir() {
			continue // it is for another archive: a keyring of gpg
		}
		data, err := host.ReadRegular(path, maxFile)
		if err != nil {
			return nil, problem.Wrap(err, "identity cannot be read", "name the file with a secret key, and let the user that runs bkp read it")
		}
		ids, err := s.parseIdentities(data)
		switch {
		case errors.Is(err, errProtected):
			return nil, problem.Wrapf(err, identityUnusable, "decrypt it for a while to a folder in memory, and give that file:\n\n    age --decrypt --output /dev/shm/key.txt FILE\n", "%s", path)
		case err != nil:
			return nil, problem.Wrapf(err, identityUnusable, "give a file that age-keygen has made, or a secret key of SSH", "%s", path)
		}
		out = append(out, ids...)
	}
	return out, nil
}

// parseIdentities reads a file of secret keys. No error has anything of it.
func (s *sealer) parseIdentities(data []byte) ([]age.Identity, error) {
	text := bytes.TrimSpace(data)
	switch {
	case bytes.HasPrefix(data, []byte("age-encryption.org/")), bytes.HasPrefix(text, []byte("-----BEGIN AGE ENCRYPTED FILE")):
		return nil, errProtected
	case bytes.HasPrefix(text, []byte("-----BEGIN")):
		id, err := agessh.ParseIdentity(data)
		var protected *ssh.PassphraseMissingError
		if errors.As(err, &protected) {
			return nil, errProtected
		}
		if err != nil {
			return nil, err
		}
		return []age.Identity{id}, nil
	}
	var out []age.Identity
	for i, line := range lines(data) {
		id, err := s.parseIdentity(line)
		if err != nil {
			return nil, fmt.Errorf("key %d in it is no secret key of age", i+1) // the cause may have a part of it
		}
		out = append(out, id)
	}
	if len(out) == 0 {
		return nil, errors.New("it holds no secret key")
	}
	return out, nil
}

func (s *sealer) parseIdentity(line string) (age.Identity, error) {
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		return age.ParseHybridIdentity(line)
	case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
		return age.ParseX25519Identity(line)
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		return plugin.NewIdentity(line, s.ui())
	}
	return nil, errors.New("unknown kind of key")
}
