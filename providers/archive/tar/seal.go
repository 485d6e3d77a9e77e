package tar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
)

const (
	noIdentity     = "no identity fits"
	identityRemedy = "give the file of the secret key of one of these; it may be repeated:\n\n    --identity FILE\n"
	unencrypted    = providers.Unencrypted
	unencryptedWhy = "find out who stored it; if it was made before the archive was encrypted, restore it with:\n\n    --accept-unencrypted\n"
)

var _ providers.Encrypter = (*archive)(nil)

// Recipients implements providers.Encrypter.
func (a *archive) Recipients(ctx context.Context) ([]string, error) {
	if a.sealer == nil {
		return nil, nil
	}
	return a.sealer.Recipients(ctx)
}

// sealed is what the manifest says of how the parts are encrypted from now on.
func (a *archive) sealed(ctx context.Context) (*providers.Sealed, error) {
	if a.sealer == nil {
		return nil, nil //nolint:nilnil // not encrypted
	}
	recipients, err := a.sealer.Recipients(ctx)
	slices.Sort(recipients)
	return &providers.Sealed{Method: a.sealer.Method(), Recipients: recipients}, err
}

// checkSealer adds what is to be said of the encryption, under the archive's address.
func (a *archive) checkSealer(ctx context.Context, r *providers.Report) error {
	if a.sealer == nil {
		return nil
	}
	sealer, err := a.sealer.Check(ctx)
	if err != nil {
		return err
	}
	for i := range sealer.Findings {
		r.Add(&sealer.Findings[i])
	}
	if r.Facts == nil {
		r.Facts = map[string]string{}
	}
	for name, value := range sealer.Facts {
		r.Facts["encryption "+name] = value
	}
	for _, path := range a.sealer.IdentityFiles() {
		if p := a.misplaced(path); p != nil {
			r.Add(p)
		}
	}
	return nil
}

// misplaced refuses an identity that is lost with what it decrypts, or lies beside
// it for somebody who takes the disk.
func (a *archive) misplaced(identity string) *problem.Problem {
	const summary, remedy = "secret key lies where it is of no use", "move it to another disk, or leave identity_file out and give --identity when you need it; keep a copy away from this machine"
	homes := []string{a.env.Instance.Home}
	for _, f := range a.env.Instance.Folders {
		homes = append(homes, f.Path)
	}
	for _, home := range homes {
		if home != "" && host.Inside(identity, home) {
			return problem.New(summary, fmt.Sprintf("%s is inside %s: when that is lost, only its encrypted backup has the key", identity, home), remedy)
		}
	}
	folder := a.place.Destination().Folder
	if folder == "" {
		return nil
	}
	if host.Inside(identity, folder) {
		return problem.New(summary, fmt.Sprintf("%s is inside %s, beside what it decrypts", identity, folder), remedy)
	}
	key, keyErr := a.env.Host.Space(identity)
	disk, diskErr := a.env.Host.Space(folder)
	if keyErr == nil && diskErr == nil && key.Filesystem == disk.Filesystem {
		return problem.New(summary, fmt.Sprintf("%s is on the same disk as %s: who takes the disk has both, and who loses it neither", identity, folder), remedy)
	}
	return nil
}

// seal returns a writer of an object's bytes into w.
func (a *archive) seal(ctx context.Context, w io.Writer) (io.WriteCloser, error) {
	if a.sealer == nil {
		return nopCloser{w}, nil
	}
	return a.sealer.Seal(ctx, w)
}

// unsealer opens what was sealed by a method; nil for "".
func (a *archive) unsealer(ctx context.Context, method string) func(io.Reader) (io.ReadCloser, error) {
	if method == "" {
		return nil
	}
	return func(r io.Reader) (io.ReadCloser, error) {
		if a.sealer == nil || a.sealer.Method() != method {
			return nil, problem.Wrapf(providers.ErrNoIdentity, "backup is encrypted otherwise",
				fmt.Sprintf("declare a block encryption %q, and set the attribute encryption of %s to it", method, a.env.Address), "it is sealed with %s, and %s is not", method, a.env.Address)
		}
		return a.sealer.Open(ctx, r)
	}
}

func methodOf(s *providers.Sealed) string {
	if s == nil {
		return ""
	}
	return s.Method
}

func sameSealed(a, b *providers.Sealed) bool {
	return methodOf(a) == methodOf(b) && (a == nil || slices.Equal(a.Recipients, b.Recipients))
}

// Decrypts implements providers.Encrypter.
func (a *archive) Decrypts(ctx context.Context, b providers.BackupID) error {
	m, err := a.shelf().Load(ctx, b)
	if err != nil {
		return err
	}
	return a.decrypts(ctx, m)
}

func (a *archive) decrypts(ctx context.Context, m providers.Manifest) error {
	sealed, parts := m.Stored[0].Sealed, shelf.SortedParts(m.Stored[0])
	if sealed == nil && a.sealer != nil && !a.env.AcceptUnencrypted {
		return a.notEncrypted(m)
	}
	if sealed == nil || len(parts) == 0 {
		return nil
	}
	object, err := a.openPart(ctx, m, parts[0])
	if err != nil {
		return nil // what is missing or unreadable is reported by those who read all of it
	}
	defer func() { _ = object.Close() }()
	plain, err := a.unsealer(ctx, sealed.Method)(object)
	if errors.Is(err, providers.ErrNoIdentity) {
		return a.noIdentity(m, err)
	}
	if err != nil {
		return nil // so is what is damaged
	}
	return plain.Close()
}

// notEncrypted is for a backup that lies among encrypted ones.
func (a *archive) notEncrypted(m providers.Manifest) *problem.Problem {
	return problem.New(unencrypted, fmt.Sprintf("%s in %s, which encrypts what it stores: anybody who can write there could have put it in the place of the real one", m.ID, a.env.Address), unencryptedWhy)
}

func (a *archive) openPart(ctx context.Context, m providers.Manifest, address string) (io.ReadCloser, error) {
	return a.open(ctx, m.ID, namesOf(m.Stored[0].Parts[address])), nil
}

// noIdentity names those whose keys would fit.
func (a *archive) noIdentity(m providers.Manifest, err error) error {
	if asProblem(err) != nil {
		return err
	}
	return problem.Wrapf(err, noIdentity, identityRemedy, "%s was encrypted for %s", m.ID, strings.Join(m.Stored[0].Sealed.Recipients, ", "))
}

// Proves implements providers.Encrypter.
func (a *archive) Proves(ctx context.Context, b providers.BackupID) ([]string, error) {
	m, err := a.shelf().Load(ctx, b)
	if err != nil {
		return nil, err
	}
	sealed, parts := m.Stored[0].Sealed, shelf.SortedParts(m.Stored[0])
	if sealed == nil || a.sealer == nil || len(parts) == 0 {
		return nil, nil
	}
	proven, err := a.sealer.Proves(ctx, func() (io.ReadCloser, error) { return a.openPart(ctx, m, parts[0]) })
	isOther := func(fingerprint string) bool { return !slices.Contains(sealed.Recipients, fingerprint) }
	return slices.DeleteFunc(proven, isOther), err
}

// addUndecrypted is for a backup without errors, for which there was no key.
func addUndecrypted(r *providers.Report, m providers.Manifest) {
	r.Add(problem.Warn(providers.NotDecrypted, fmt.Sprintf("all digests of %s were compared, but nothing was decrypted. It was encrypted for %s", m.ID, strings.Join(m.Stored[0].Sealed.Recipients, ", ")),
		"verify it once in a while where the secret key of one of these is:\n\n    bkp verify --identity FILE "+string(m.ID)+"\n"))
}
