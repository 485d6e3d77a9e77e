//go:build !linux

package snapshot

import "errors"

var errUnsupported = errors.New("snapshots can be mounted on Linux only")

// Bind needs Linux.
func Bind(string, string) error { return errUnsupported }

func private(string) error { return errUnsupported }

func unmountBelow(string) error { return nil }
