//go:build !unix

package treesync

import (
	"context"
	"errors"

	"bkp/internal/problem"
	"bkp/providers"
)

func unsupported() error {
	return problem.Wrap(errors.ErrUnsupported, "homes cannot be backed up on this system", "run bkp on Linux, beside Bitbucket Data Center")
}

// Sync needs a unix.
func Sync(context.Context, Options) (Result, error) { return Result{}, unsupported() }

// Known knows nothing here.
func Known(_, _ string) (files, bytes int64) { return 0, 0 }

// Clean has nothing to clean.
func Clean(context.Context, string, string, int) error { return nil }

// Look needs a unix.
func Look(context.Context, string, Exclude, int) (Survey, error) {
	return Survey{}, unsupported()
}

// Refresh needs a unix.
func Refresh(context.Context, string, Exclude) error { return unsupported() }

// Series needs a unix.
type Series struct{}

// Begin returns a series whose passes fail.
func Begin(Options) *Series { return &Series{} }

// Full needs a unix.
func (*Series) Full(context.Context, bool) (Result, error) { return Result{}, unsupported() }

// Changed needs a unix.
func (*Series) Changed(context.Context, bool, Changes) (Result, error) {
	return Result{}, unsupported()
}

// Commit has nothing to write.
func (*Series) Commit() error { return nil }

// Synced has nothing to sync.
func (*Series) Synced() error { return nil }

// Sum has nothing to read.
func (*Series) Sum(context.Context) error { return nil }

// Record needs a unix.
type Record struct{}

// OpenRecord finds none.
func OpenRecord(string, string) (*Record, error) { return nil, unsupported() }

// Folder knows nothing.
func (*Record) Folder(string) ([]providers.Recorded, bool, error) { return nil, false, nil }

// Close does nothing.
func (*Record) Close() error { return nil }

// Distrust has nothing to change.
func Distrust(string, string, []string) error { return nil }

// Close does nothing.
func (*Series) Close() {}

// SyncTree has nothing to sync.
func SyncTree(string) error { return nil }

// Suspects returns none.
func (*Series) Suspects() Suspects { return Suspects{} }

// Compare needs a unix.
func (Ledger) Compare(context.Context) (Comparison, error) { return Comparison{}, unsupported() }

// Seal needs a unix.
func (Ledger) Seal(context.Context, Written) ([]Alien, error) { return nil, unsupported() }

// Synced has nothing to sync.
func (Ledger) Synced() error { return nil }
