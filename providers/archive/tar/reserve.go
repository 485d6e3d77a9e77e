package tar

import (
	"context"

	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
)

// shelf is what the archive has in common with others.
func (a *archive) shelf() shelf.Shelf {
	return shelf.Shelf{Place: a.place, Env: a.env, Plausible: func(m providers.Manifest) error { return plausibleParts(m, m.Stored[0]) }}
}

// Reserve implements providers.Archiver.
func (a *archive) Reserve(ctx context.Context, b providers.BackupID) error {
	return a.shelf().Claims().Reserve(ctx, b)
}

// Reserved implements providers.Reserver.
func (a *archive) Reserved(ctx context.Context, b providers.BackupID) (bool, error) {
	return a.shelf().Claims().Held(ctx, b)
}
