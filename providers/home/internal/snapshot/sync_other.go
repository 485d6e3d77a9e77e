//go:build !linux

package snapshot

import (
	"context"
	"errors"
)

// Sync is for Linux, where the storages are.
func Sync(context.Context, []Volume) error { return errors.ErrUnsupported }

// SyncAt is for Linux, where the storages are.
func SyncAt(string) error { return errors.ErrUnsupported }
