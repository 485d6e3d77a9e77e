//go:build !linux

package host

import "errors"

// groupActivity has no source here.
func groupActivity(int) (activity, error) { return activity{}, errors.ErrUnsupported }
