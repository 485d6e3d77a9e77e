package providers

import (
	"context"
	"errors"
	"io"
)

// Sealer encrypts what an archive stores, for recipients whose secret keys are
// somewhere else, and decrypts it with identities, which are such keys. Its methods
// may be called from several goroutines.
type Sealer interface {
	// Check looks, without any identity, whether Seal can work. Its facts name the
	// recipients.
	Check(ctx context.Context) (Report, error)

	// Method names the format of what is sealed, and ends the names of objects: age.
	Method() string

	// Recipients are the fingerprints of the keys for which Seal encrypts from now on.
	// Each opens it by itself.
	Recipients(ctx context.Context) ([]string, error)

	// IdentityFiles are those that the block declares. A plan refuses them where
	// they would be lost together with the backups.
	IdentityFiles() []string

	// Seal returns a writer of what is sealed into w. The caller MUST call Close,
	// also after an error: it writes the end, waits for w to have all, and releases
	// what was started. w stays open. Without its end nothing sealed can be opened.
	Seal(ctx context.Context, w io.Writer) (io.WriteCloser, error)

	// Open returns a reader of what was sealed into r. It ends with io.EOF only if
	// the end of what was sealed has been seen, and what it gave is what was sealed;
	// until then nothing of that MAY be acted on. Bytes that were not sealed
	// are an error. If no identity fits, the error of Open wraps ErrNoIdentity. The
	// caller closes it.
	Open(ctx context.Context, r io.Reader) (io.ReadCloser, error)

	// Proves returns the fingerprints of the recipients whose identities are there, and
	// open what sealed reads, each by itself. sealed may be called several times; what
	// it returns is closed.
	Proves(ctx context.Context, sealed func() (io.ReadCloser, error)) ([]string, error)
}

// ErrNoIdentity is wrapped by errors that say that no identity opens what is sealed.
var ErrNoIdentity = errors.New("no identity fits")

// NotDecrypted is the summary of the warning that a backup's digests were compared,
// and that nobody knows whether it can be decrypted.
const NotDecrypted = "decryption was not proven"

// Unencrypted is the summary of the warning that a backup is not encrypted, and lies
// in an archive that encrypts.
const Unencrypted = "backup is not encrypted"

// Sealed says how an archive encrypted what it stored.
type Sealed struct {
	// Method is that of the Sealer.
	Method string `json:"method"`
	// Recipients are fingerprints, sorted.
	Recipients []string `json:"recipients"`
}

// Encrypter is an archive that may encrypt.
type Encrypter interface {
	// Recipients are the fingerprints of the keys for which it encrypts from now
	// on; none if it does not encrypt.
	Recipients(ctx context.Context) ([]string, error)

	// Decrypts returns an error if what it has of b cannot be decrypted with the
	// identities of this run, or is not encrypted though the archive encrypts and
	// the operator did not accept that. It reads the beginning of an object.
	Decrypts(ctx context.Context, b BackupID) error

	// Proves returns the recipients whose identities open what it has of b, each by
	// itself.
	Proves(ctx context.Context, b BackupID) ([]string, error)
}
