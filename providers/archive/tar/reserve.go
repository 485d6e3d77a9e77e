package tar

import (
	"context"

	"bkp/providers"
	"bkp/providers/archive/internal/claim"
)

func (a *archive) claims() claim.Claims { return claim.Claims{Place: a.place, WorkDir: a.env.WorkDir} }

// maker names this archive of this state folder of this machine.
func (a *archive) maker() string { return a.claims().Maker() }

// Reserve implements providers.Archiver.
func (a *archive) Reserve(ctx context.Context, b providers.BackupID) error {
	return a.claims().Reserve(ctx, b)
}

// hold makes the id ours, among all who store in the destination. It may be
// called again.
func (a *archive) hold(ctx context.Context, b providers.BackupID) error {
	return a.claims().Hold(ctx, b)
}

// mine refuses to replace a backup of the same id that is another one.
func (a *archive) mine(there, m providers.Manifest) error { return a.claims().Mine(there, m) }
