package place

import (
	"context"
	"errors"
)

// Locker is a place that can keep objects from being deleted or replaced for a time,
// even by those who may delete. The format asks once a backup is complete, so that what a run
// leaves that fails can be removed.
type Locker interface {
	// Lock keeps objects for as long as the place is configured to, from now on; with
	// no such time it does nothing. It may be called again.
	Lock(ctx context.Context, names []string) error
}

// ErrUnavailable is wrapped by errors from which nothing follows for what lies in a
// place: it cannot be reached, or refuses the keys.
var ErrUnavailable = errors.New("the place cannot be asked")

// Unavailable marks an error as ErrUnavailable.
func Unavailable(err error) error { return unavailable{err} }

// unavailable is ErrUnavailable without its text.
type unavailable struct{ error }

// Is reports whether the error is ErrUnavailable.
func (unavailable) Is(target error) bool { return target == ErrUnavailable }

// Unwrap returns the error itself.
func (u unavailable) Unwrap() error { return u.error }
