package age

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"bkp/internal/problem"
	"bkp/providers"
)

// Check implements providers.Sealer: it seals nothing for all recipients, because
// only that shows whether they can be used together, and whether plugins are there.
func (s *sealer) Check(context.Context) (providers.Report, error) {
	var r providers.Report
	all, err := s.recipients()
	var p *problem.Problem
	if errors.As(err, &p) {
		r.Add(p)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	var names []string
	for _, one := range all {
		names = append(names, one.fingerprint)
	}
	r.Facts = map[string]string{"recipients": strings.Join(names, ", ")}
	var missing *plugin.NotFoundError
	switch w, err := age.Encrypt(io.Discard, keys(all)...); {
	case errors.As(err, &missing):
		r.Add(problem.New("age plugin is missing", "age-plugin-"+missing.Name+" is not in PATH", "install it, for the user that runs bkp"))
	case err != nil:
		r.Add(problem.Wrapf(err, "nothing can be encrypted for the recipients", "correct the recipients of "+s.env.Address, "%s", s.env.Address))
	default:
		_ = w.Close() // into nothing
	}
	if len(all) == 1 {
		r.Add(warnOne(all[0].fingerprint))
	}
	return r, nil
}

func keys(all []recipient) []age.Recipient {
	var out []age.Recipient
	for _, r := range all {
		out = append(out, r.key)
	}
	return out
}

// Seal implements providers.Sealer.
func (s *sealer) Seal(_ context.Context, w io.Writer) (io.WriteCloser, error) {
	all, err := s.recipients()
	if err != nil {
		return nil, err
	}
	return age.Encrypt(w, keys(all)...)
}

// Open implements providers.Sealer. The library checks each chunk before it gives
// it, and knows the last one from others.
func (s *sealer) Open(_ context.Context, r io.Reader) (io.ReadCloser, error) {
	ids, err := s.identities()
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: none was given", providers.ErrNoIdentity)
	}
	return open(r, ids...)
}

func open(r io.Reader, ids ...age.Identity) (io.ReadCloser, error) {
	plain, err := age.Decrypt(r, ids...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, fmt.Errorf("%w: of those that were given, none is that of a recipient", providers.ErrNoIdentity)
	}
	if err != nil {
		return nil, err
	}
	return io.NopCloser(plain), nil
}

// Proves implements providers.Sealer. What belongs together is found out by sealing
// for one recipient alone: a plugin's secret key does not name its public one.
func (s *sealer) Proves(ctx context.Context, sealed func() (io.ReadCloser, error)) ([]string, error) {
	all, err := s.recipients()
	if err != nil {
		return nil, err
	}
	ids, err := s.identities()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, id := range ids {
		fits, err := opens(sealed, id)
		if err != nil {
			return out, err
		}
		for _, r := range all {
			if ctx.Err() != nil {
				return out, context.Cause(ctx)
			}
			if fits && r.isOf(id) {
				out = append(out, r.fingerprint)
			}
		}
	}
	return out, nil
}

func opens(sealed func() (io.ReadCloser, error), id age.Identity) (bool, error) {
	r, err := sealed()
	if err != nil {
		return false, err
	}
	defer func() { _ = r.Close() }()
	_, err = open(r, id)
	if errors.Is(err, providers.ErrNoIdentity) {
		return false, nil
	}
	return err == nil, err
}

// isOf reports whether an identity opens what is sealed for the recipient alone.
func (r recipient) isOf(id age.Identity) bool {
	var probe bytes.Buffer
	w, err := age.Encrypt(&probe, r.key)
	if err != nil || w.Close() != nil {
		return false
	}
	_, err = open(&probe, id)
	return err == nil
}
