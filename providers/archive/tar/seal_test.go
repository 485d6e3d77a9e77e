package tar

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
	sealer "bkp/providers/encryption/age"
)

// keys are those of two recipients, and the file of the first one's secret key.
type keys struct {
	recipients []string
	file       string
}

func newKeys(t *testing.T) *keys {
	t.Helper()
	out := &keys{}
	for range 2 {
		id, err := age.GenerateX25519Identity()
		must(t, err)
		out.recipients = append(out.recipients, id.Recipient().String())
		out.file = filepath.Join(t.TempDir(), "key.txt")
		write(t, out.file, id.String()+"\n")
	}
	return out
}

// use has an archive encrypt for the keys, and decrypt with files of identities.
func (k *keys) use(t *testing.T, a *archive, identities ...string) {
	t.Helper()
	a.env.Identities = identities
	made, err := providers.Encryptions.Open(sealer.Definition(), &sealer.Config{Recipients: k.recipients}, providers.Env{Address: "encryption.age.keys", Identities: identities})
	must(t, err)
	a.sealer = made
}

// sealedStore is a destination with an encrypted backup of one small tree.
func sealedStore(t *testing.T) (*archive, *keys) {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "tree")
	write(t, filepath.Join(tree, "secret"), "a needle in the archive")
	a, k := open(t, filepath.Join(t.TempDir(), "archives"), func(c *Config) { c.Compression = "none" }), newKeys(t)
	k.use(t, a, k.file)
	_, err := a.Store(t.Context(), manifest(map[string]string{artifact: tree}), nil)
	must(t, err)
	return a, k
}

func fetchInto(t *testing.T, a *archive) (string, error) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "to")
	_, err := a.Fetch(t.Context(), id, func(providers.Artifact) string { return to })
	return to, err
}

// object is the file of the backup's only part.
func object(t *testing.T, a *archive) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(a.cfg.Destination, string(id), artifact+".*"))
	must(t, err)
	if len(found) != 1 {
		t.Fatalf("objects %q", found)
	}
	return found[0]
}

// resign writes a manifest that fits what lies there, as a forger would.
func resign(t *testing.T, a *archive, change func(*providers.Stored)) {
	t.Helper()
	m, err := a.shelf().Load(t.Context(), id)
	must(t, err)
	data, err := os.ReadFile(object(t, a))
	must(t, err)
	part := m.Stored[0].Parts[artifact]
	part.Objects = []providers.Object{{Name: part.Objects[0].Name, Bytes: int64(len(data)), SHA256: document.Digest(data)}}
	m.Stored[0].Parts[artifact] = part
	if change != nil {
		change(&m.Stored[0])
	}
	sealed, err := document.Seal("manifest", m)
	must(t, err, os.Remove(manifestPath(a, id)))
	write(t, manifestPath(a, id), string(sealed))
}

// refused expects that nothing is restored, and nothing is left of the trial.
func refused(t *testing.T, a *archive, what string) error {
	t.Helper()
	to, err := fetchInto(t, a)
	if err == nil || problem.Remedy(err) == "" {
		t.Errorf("%s: fetch: %v", what, err)
	}
	if _, serr := os.Lstat(to); !errors.Is(serr, os.ErrNotExist) {
		t.Errorf("%s: something was left in %s", what, to)
	}
	return err
}

func TestNothingOfAnEncryptedBackupCanBeRead(t *testing.T) {
	a, k := sealedStore(t)
	stored, err := os.ReadFile(object(t, a))
	must(t, err)
	if strings.Contains(string(stored), "needle") || filepath.Ext(object(t, a)) != ".age" {
		t.Errorf("%s can be read", object(t, a))
	}
	text, err := os.ReadFile(manifestPath(a, id))
	must(t, err)
	for _, recipient := range k.recipients {
		if !strings.Contains(string(text), recipient) {
			t.Errorf("the manifest does not name %s", recipient)
		}
	}
	to, err := fetchInto(t, a)
	must(t, err)
	if _, err := os.Stat(filepath.Join(to, "secret")); err != nil {
		t.Error(err)
	}
}

// TestForgedManifestOfAnEncryptedBackup: who may write to the archive can make a
// manifest that fits whatever lies there. What was changed is refused all the same.
func TestForgedManifestOfAnEncryptedBackup(t *testing.T) {
	a, _ := sealedStore(t)
	whole, err := os.ReadFile(object(t, a))
	must(t, err)
	for what, content := range map[string][]byte{
		"the end is missing": whole[:len(whole)-20],
		"half is missing":    whole[:len(whole)/2],
		"a bit is flipped":   flipped(whole, len(whole)-300),
		"something follows":  append(slices.Clone(whole), 0),
	} {
		must(t, os.WriteFile(object(t, a), content, 0o600))
		resign(t, a, nil)
		_ = refused(t, a, what)
		findings, err := a.Verify(t.Context(), id)
		if err != nil || !(providers.Report{Findings: findings}).Failed() {
			t.Errorf("%s: verify finds %v, %v", what, findings, err)
		}
	}
}

// TestManifestThatNamesOthers: the record inside of a part knows for whom it was
// encrypted.
func TestManifestThatNamesOthers(t *testing.T) {
	a, _ := sealedStore(t)
	resign(t, a, func(s *providers.Stored) { s.Sealed.Recipients = newKeys(t).recipients })
	_ = refused(t, a, "recipients of somebody else")
	findings, err := a.Verify(t.Context(), id)
	if err != nil || len(findings) != 1 || findings[0].Summary != shelf.ManifestDamaged {
		t.Errorf("verify finds %v, %v", findings, err)
	}
}

func flipped(data []byte, at int) []byte {
	out := slices.Clone(data)
	out[at] ^= 1
	return out
}

func TestEncryptedPartOfAnotherBackup(t *testing.T) {
	a, _ := sealedStore(t)
	m := manifest(map[string]string{artifact: filepath.Dir(write1(t))})
	m.ID = "prod-20261123T214431Z"
	_, err := a.Store(t.Context(), m, nil)
	must(t, err)
	other, err := os.ReadFile(a.place.At(place.Name(m.ID, artifact+".tar.age")))
	must(t, err, os.WriteFile(object(t, a), other, 0o600))
	resign(t, a, nil)
	_ = refused(t, a, "a part of another backup")
}

func write1(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tree", "file")
	write(t, path, "x")
	return path
}

// TestPartSealedForSomebodyElse: a stranger can encrypt for any public key, but then
// nobody here can decrypt it.
func TestPartSealedForSomebodyElse(t *testing.T) {
	a, k := sealedStore(t)
	newKeys(t).use(t, a, k.file)
	must(t, a.Delete(t.Context(), id))
	_, err := a.Store(t.Context(), manifest(map[string]string{artifact: filepath.Dir(write1(t))}), nil)
	must(t, err)
	k.use(t, a, k.file)
	if err := refused(t, a, "sealed for somebody else"); !errors.Is(err, providers.ErrNoIdentity) {
		t.Errorf("fetch: %v", err)
	}
}

// TestEncryptedArchiveTakesNoPlainPart: neither in the place of an encrypted one,
// nor as a backup of its own.
func TestEncryptedArchiveTakesNoPlainPart(t *testing.T) {
	a, k := sealedStore(t)
	sealed := object(t, a)
	must(t, a.Delete(t.Context(), id))
	a.sealer = nil
	_, err := a.Store(t.Context(), manifest(map[string]string{artifact: filepath.Dir(write1(t))}), nil)
	must(t, err)
	k.use(t, a, k.file)

	if err := refused(t, a, "a plain backup"); !strings.Contains(err.Error(), unencrypted) {
		t.Errorf("fetch: %v", err)
	}
	findings, err := a.Verify(t.Context(), id)
	if err != nil || len(findings) != 1 || findings[0].Summary != unencrypted || findings[0].Severity != problem.Warning {
		t.Errorf("verify finds %v, %v", findings, err)
	}
	a.env.AcceptUnencrypted = true
	_, err = fetchInto(t, a)
	must(t, err)
	a.env.AcceptUnencrypted = false

	// Under the name of an encrypted one, with a manifest that says so.
	must(t, os.Rename(object(t, a), sealed))
	m, err := a.shelf().Load(t.Context(), id)
	must(t, err)
	m.Stored[0].Sealed = &providers.Sealed{Method: "age", Recipients: k.recipients}
	part := m.Stored[0].Parts[artifact]
	part.Objects[0].Name = filepath.Base(sealed)
	m.Stored[0].Parts[artifact] = part
	text, err := document.Seal("manifest", m)
	must(t, err, os.Remove(manifestPath(a, id)))
	write(t, manifestPath(a, id), string(text))
	_ = refused(t, a, "plain under the name of an encrypted one")

	// Or one that says neither.
	m.Stored[0].Sealed = nil
	text, err = document.Seal("manifest", m)
	must(t, err, os.Remove(manifestPath(a, id)))
	write(t, manifestPath(a, id), string(text))
	_ = refused(t, a, "an encrypted name without encryption")
}

func TestEncryptedBackupWithoutKey(t *testing.T) {
	a, k := sealedStore(t)
	k.use(t, a)
	findings, err := a.Verify(t.Context(), id)
	if err != nil || len(findings) != 1 || findings[0].Summary != providers.NotDecrypted || findings[0].Severity != problem.Warning {
		t.Errorf("verify without a key finds %v, %v", findings, err)
	}
	err = refused(t, a, "without a key")
	for _, recipient := range k.recipients {
		if !strings.Contains(err.Error(), recipient) {
			t.Errorf("it does not name %s: %v", recipient, err)
		}
	}
	// A wrong key is no damage.
	k.use(t, a, newKeys(t).file)
	if findings, err := a.Verify(t.Context(), id); !errors.Is(err, providers.ErrNoIdentity) || len(findings) > 0 {
		t.Errorf("verify with a stranger's key: %v, %v", findings, err)
	}
	// Nor is a block that is not declared any more.
	a.sealer, a.env.Identities = nil, nil
	if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) != 1 || findings[0].Summary != providers.NotDecrypted {
		t.Errorf("verify without the block: %v, %v", findings, err)
	}
	if err := refused(t, a, "without the block"); !strings.Contains(problem.Remedy(err), `encryption "age"`) {
		t.Errorf("remedy: %s", problem.Remedy(err))
	}

	// Damage is found without a key.
	whole, err := os.ReadFile(object(t, a))
	must(t, err, os.WriteFile(object(t, a), flipped(whole, len(whole)/2), 0o600))
	k.use(t, a)
	if findings, err := a.Verify(t.Context(), id); err != nil || !(providers.Report{Findings: findings}).Failed() {
		t.Errorf("verify of what is damaged: %v, %v", findings, err)
	}
}

func TestRebuildOfAnEncryptedBackup(t *testing.T) {
	a, k := sealedStore(t)
	must(t, os.Remove(manifestPath(a, id)))
	k.use(t, a)
	made, findings, err := a.Rebuild(t.Context())
	if err != nil || len(made) > 0 || len(findings) != 1 || findings[0].Remedy != shelf.NeedsKey {
		t.Errorf("without a key: made %v, %v, %v", made, findings, err)
	}
	k.use(t, a, k.file)
	made, findings, err = a.Rebuild(t.Context())
	if err != nil || len(made) != 1 || len(findings) > 0 {
		t.Fatalf("with a key: made %v, %v, %v", made, findings, err)
	}
	m, err := a.shelf().Load(t.Context(), id)
	must(t, err)
	if s := m.Stored[0].Sealed; s == nil || !slices.Equal(s.Recipients, slices.Sorted(slices.Values(k.recipients))) {
		t.Errorf("it was made again as %+v", s)
	}
	_, err = fetchInto(t, a)
	must(t, err)
}

func TestProvesKeysOfAnArchive(t *testing.T) {
	a, k := sealedStore(t)
	got, err := a.Proves(t.Context(), id)
	if err != nil || len(got) != 1 || !slices.Contains(k.recipients, got[0]) {
		t.Errorf("it proves %q, %v", got, err)
	}
	k.use(t, a, newKeys(t).file)
	if got, err := a.Proves(t.Context(), id); err != nil || len(got) > 0 {
		t.Errorf("a stranger's key proves %q, %v", got, err)
	}
}

func TestIdentityOfNoUse(t *testing.T) {
	a, k := sealedStore(t)
	root := t.TempDir()
	a.env.Instance.Home, a.env.Instance.Folders = filepath.Join(root, "home"), []providers.Folder{{Path: filepath.Join(root, "stores")}}
	for where, want := range map[string]string{
		filepath.Join(root, "home", "key.txt"):            "only its encrypted backup has the key",
		filepath.Join(root, "stores", "deep", "key.txt"):  "only its encrypted backup has the key",
		filepath.Join(a.cfg.Destination, "key.txt"):       "beside what it decrypts",
		filepath.Join(root, "elsewhere on the disk", "k"): "on the same disk",
		"/dev/shm/key.txt":                                "",
	} {
		made, err := providers.Encryptions.Open(sealer.Definition(), &sealer.Config{Recipients: k.recipients, IdentityFile: where}, providers.Env{})
		must(t, err)
		a.sealer = made
		r, err := a.Check(t.Context(), providers.Estimate{})
		must(t, err)
		var got string
		for _, f := range r.Findings {
			got += f.Detail
		}
		if r.Failed() != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s: %v", where, r.Findings)
		}
		if r.Facts["encryption recipients"] == "" {
			t.Errorf("facts %v", r.Facts)
		}
	}
}

// TestSealedEndIsLookedFor: a compressor that knows its own end might not read on,
// and then nobody would see that what was sealed goes on, or was cut there.
func TestSealedEndIsLookedFor(t *testing.T) {
	a, _ := sealedStore(t)
	sealed, err := os.Open(object(t, a))
	must(t, err)
	defer func() { _ = sealed.Close() }()
	r, err := a.sealer.Open(t.Context(), sealed)
	must(t, err)
	plain, err := io.ReadAll(r)
	must(t, err)
	stops := format{reader: func(r io.Reader) (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(r, int64(len(plain)))), nil
	}}
	for what, end := range map[string]io.Reader{"cut": iotest.ErrReader(io.ErrUnexpectedEOF), "longer": strings.NewReader("x"), "": strings.NewReader("")} {
		unseal := func(io.Reader) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(plain), end)), nil
		}
		_, err := read(t.Context(), a.open(t.Context(), id, nil), wanted{b: id, name: artifact, format: stops, unseal: unseal}, &guarded{handler: skip{}})
		if (err != nil) != (what != "") {
			t.Errorf("%q: %v", what, err)
		}
	}
}
