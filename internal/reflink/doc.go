// Package reflink lets files share the blocks of others, as XFS and btrfs can: what is
// written to one later is its own.
package reflink

import "errors"

// ErrImpossible is wrapped by the errors of Clone and Between about file systems that
// cannot share: one that has no such thing, or two different ones.
var ErrImpossible = errors.New("blocks cannot be shared")
