//go:build !unix

package treesync

import (
	"context"
	"errors"

	"bkp/internal/problem"
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
