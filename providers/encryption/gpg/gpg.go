package gpg

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

const notUsable = "key cannot be used"

// Recipients implements providers.Sealer.
func (s *sealer) Recipients(context.Context) ([]string, error) {
	var out []string
	for _, r := range s.cfg.Recipients {
		out = append(out, normal(r))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Check implements providers.Sealer: it encrypts nothing for each recipient, because
// only gpg knows whether it would.
func (s *sealer) Check(ctx context.Context) (providers.Report, error) {
	var r providers.Report
	if _, err := s.env.Host.LookPath("gpg"); err != nil {
		return r, addProblem(&r, err)
	}
	all, _ := s.Recipients(ctx)
	r.Facts = map[string]string{"recipients": strings.Join(all, ", ")}
	for _, one := range all {
		said := &status{}
		_, err := s.env.Host.Run(ctx, s.command(said, s.cfg.Keyring, strings.NewReader(""), io.Discard, s.encrypts(one)...))
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		if err != nil {
			r.Add(s.unusable(one, said, err))
		}
	}
	if len(all) == 1 {
		r.Add(problem.Warn("one recipient alone", "without the secret key of "+all[0]+" all backups that are encrypted for it are lost", "add a second recipient, whose secret key lies in another place"))
	}
	return r, nil
}

func addProblem(r *providers.Report, err error) error {
	var p *problem.Problem
	if errors.As(err, &p) {
		r.Add(p)
		return nil
	}
	return err
}

// unusable says why gpg does not encrypt for a key.
func (s *sealer) unusable(key string, said *status, err error) *problem.Problem {
	in := s.cfg.Keyring
	if in == "" {
		in = "the keyring of the user who runs bkp"
	}
	reason := said.invalid()
	if said.has("KEYEXPIRED") { // gpg 2.2 gives no reason then
		reason = "5"
	}
	switch reason {
	case "1", "9":
		return problem.New(notUsable, fmt.Sprintf("there is no key %s in %s", key, in), "import it:\n\n    gpg --import FILE\n")
	case "4":
		return problem.New(notUsable, fmt.Sprintf("%s in %s was revoked", key, in), "replace it among the recipients")
	case "5":
		return problem.New(notUsable, fmt.Sprintf("%s in %s has expired", key, in), "let its owner extend it, and import it again; or replace it among the recipients")
	case "10":
		return problem.New(notUsable, fmt.Sprintf("gpg does not trust %s in %s", key, in), "compare its fingerprint with its owner, then say that it is the right one:\n\n    gpg --quick-set-ownertrust "+key+" ultimate\n")
	}
	return problem.Wrapf(said.explain(err), notUsable, "encrypt something for it by hand, and see what gpg says", "%s in %s", key, in)
}

// command runs gpg with one keyring, "" for the user's.
func (s *sealer) command(said *status, keyring string, in io.Reader, out io.Writer, args ...string) host.Command {
	all := []string{"--batch", "--no-tty", "--no-options", "--status-fd", "2"}
	if keyring != "" {
		all = append(all, "--homedir", keyring)
	}
	return host.Command{Name: "gpg", Args: append(all, args...), Stdin: in, Stdout: out, Stderr: said}
}

func (s *sealer) encrypts(recipients ...string) []string {
	args := []string{"--encrypt", "--compress-algo", "none", "--no-auto-key-locate"}
	for _, r := range recipients {
		args = append(args, "--recipient", r)
	}
	return args
}

// Seal implements providers.Sealer.
func (s *sealer) Seal(ctx context.Context, w io.Writer) (io.WriteCloser, error) {
	all, err := s.Recipients(ctx)
	if err != nil {
		return nil, err
	}
	return startWriting(ctx, w, func(ctx context.Context, in io.Reader, out io.Writer) error {
		said := &status{}
		_, err := s.env.Host.Run(ctx, s.command(said, s.cfg.Keyring, in, out, s.encrypts(all...)...))
		if err == nil && !said.has("END_ENCRYPTION") {
			err = errors.New("gpg did not say that it has encrypted all")
		}
		return said.explain(err)
	}), nil
}

// peeked is how much of what is sealed is looked at to find a key for it. It bounds
// the number of recipients: an entry of the longest keys has 1 KiB.
const peeked = 64 << 10

// Open implements providers.Sealer.
func (s *sealer) Open(ctx context.Context, r io.Reader) (io.ReadCloser, error) {
	ids, err := s.identities()
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(r, peeked)
	head, err := in.Peek(peeked)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, keyring := range ids {
		fits, err := s.fits(ctx, keyring, head)
		if err != nil {
			return nil, err
		}
		if fits {
			return s.decrypt(ctx, keyring, in), nil
		}
	}
	return nil, fmt.Errorf("%w: no keyring has the secret key of a recipient", providers.ErrNoIdentity)
}

// fits reports whether a keyring has a secret key for what begins with head.
func (s *sealer) fits(ctx context.Context, keyring string, head []byte) (bool, error) {
	said := &status{}
	_, err := s.env.Host.Run(ctx, s.command(said, keyring, bytes.NewReader(head), io.Discard, "--list-only", "--decrypt"))
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	to := said.all("ENC_TO")
	if len(to) == 0 {
		return false, errors.Join(errors.New("it is not encrypted with gpg"), said.explain(err))
	}
	for _, words := range to {
		if _, err := s.env.Host.Run(ctx, s.command(&status{}, keyring, nil, io.Discard, "--list-secret-keys", words[0])); err == nil {
			return true, nil
		}
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
	}
	return false, nil
}

// decrypt ends well if gpg has, and has said that nothing was changed.
func (s *sealer) decrypt(ctx context.Context, keyring string, in io.Reader) *reading {
	return startReading(ctx, func(ctx context.Context, out io.Writer, said *status) error {
		_, err := s.env.Host.Run(ctx, s.command(said, keyring, in, out, "--decrypt"))
		if err == nil && (!said.has("DECRYPTION_OKAY") || !said.has("GOODMDC")) {
			err = errors.New("gpg did not say that nothing was changed")
		}
		return said.explain(err)
	})
}

// Proves implements providers.Sealer. Each keyring is tried by itself, and gpg names
// the key that it has used.
func (s *sealer) Proves(ctx context.Context, sealed func() (io.ReadCloser, error)) ([]string, error) {
	ids, err := s.identities()
	if err != nil {
		return nil, err
	}
	all, err := s.Recipients(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, keyring := range ids {
		used, err := s.uses(ctx, keyring, sealed)
		if err != nil {
			return out, err
		}
		if slices.Contains(all, used) {
			out = append(out, used)
		}
	}
	return out, nil
}

// uses is the key of a keyring that decrypts, "" if none does.
func (s *sealer) uses(ctx context.Context, keyring string, sealed func() (io.ReadCloser, error)) (used string, err error) {
	in, err := sealed()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	head := bufio.NewReaderSize(in, peeked)
	seen, _ := head.Peek(peeked) // what cannot be read is the error of reading on
	fits, err := s.fits(ctx, keyring, seen)
	if err != nil || !fits {
		return "", err
	}
	r := s.decrypt(ctx, keyring, head)
	_, err = r.Read(make([]byte, 1))
	_ = r.Close() // it is not read to its end
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	for _, words := range r.said.all("DECRYPTION_KEY") {
		if len(words) > 1 {
			return words[1], nil
		}
	}
	return "", nil
}

// identities are the keyrings with secret keys, in the order in which they are tried.
func (s *sealer) identities() ([]string, error) {
	given := slices.Concat(s.env.Identities, s.IdentityFiles())
	if len(given) == 0 {
		return []string{s.cfg.Keyring}, nil
	}
	var out []string
	for _, dir := range given {
		fi, err := os.Stat(dir)
		if err != nil {
			return nil, problem.Wrap(err, "identity cannot be read", "name the folder of gpg that has the secret key, and let the user that runs bkp read it")
		}
		if fi.IsDir() { // a file is for another archive: a key of age
			out = append(out, dir)
		}
	}
	return out, nil
}
