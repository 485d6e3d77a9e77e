//go:build !unix

package treesync

import (
	"context"
	"errors"
)

// Sync needs a unix.
func Sync(context.Context, Options) (Result, error) { return Result{}, errors.ErrUnsupported }

// Known knows nothing here.
func Known(_, _ string) (files, bytes int64) { return 0, 0 }

// Clean has nothing to clean.
func Clean(context.Context, string, string, int) error { return nil }

// Look needs a unix.
func Look(context.Context, string, Exclude, int) (Survey, error) {
	return Survey{}, errors.ErrUnsupported
}
