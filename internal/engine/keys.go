package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// usesIdentities refuses identities for an instance whose archives do not encrypt:
// they would be read by nobody.
func (eng *Engine) usesIdentities(ctx context.Context, o *opened) error {
	if len(eng.Identities) == 0 {
		return nil
	}
	for _, a := range o.shelves() {
		e, ok := providers.As[providers.Encrypter](a.Archiver)
		if !ok {
			continue
		}
		if recipients, err := e.Recipients(ctx); err != nil || len(recipients) > 0 {
			return nil //nolint:nilerr // it encrypts, and those who use it report what is wrong
		}
	}
	return problem.Usage(problem.New("nothing is encrypted", fmt.Sprintf("no archive of %s encrypts, so --identity does nothing", o.instance.Address), "leave it out, or set the attribute encryption of the archive"))
}

// decrypts returns why what an archive has of a backup cannot be decrypted now.
func decrypts(ctx context.Context, id providers.BackupID, archive providers.Archiver) error {
	if e, ok := providers.As[providers.Encrypter](archive); ok {
		return e.Decrypts(ctx, id)
	}
	return nil
}

// proveKeys records which identities opened the backup of a drill, and says so.
func (eng *Engine) proveKeys(ctx context.Context, d catalog.Drill, archive providers.Archiver, sink event.Sink) error {
	e, ok := providers.As[providers.Encrypter](archive)
	if !ok || len(d.Differences) > 0 {
		return nil
	}
	proven, err := e.Proves(ctx, d.Backup)
	if err != nil {
		return err
	}
	slices.Sort(proven)
	proven = slices.Compact(proven)
	if err := eng.Catalog().PutKeys(proven, catalog.KeyProof{At: d.At, Backup: d.Backup}); err != nil {
		return problem.Wrap(err, "the proof of a key cannot be recorded", "let the user that runs bkp write the state folder")
	}
	if len(proven) > 0 {
		sink.Emit(event.Event{
			Time: time.Now(), Kind: event.Summary, Backup: string(d.Backup), Message: "keys proven: " + strings.Join(proven, ", "), Details: map[string]any{"keys": proven},
		})
	}
	return nil
}
