//go:build !linux

package reflink

import "os"

// Clone always fails: it is known of Linux alone.
func Clone(_, _ *os.File) error { return ErrImpossible }

// Between always fails.
func Between(_, _ string) error { return ErrImpossible }
