//go:build !linux

package awsebs

import (
	"errors"

	"bkp/providers/home/internal/snapshot"
)

func (*storage) freeze([]string) (func() error, error) { return nil, errors.ErrUnsupported }

func (*storage) frozen() []string { return nil }

func (*storage) checkFreeze([]snapshot.Volume) error { return nil }

func mounted(string) (bool, error) { return false, errors.ErrUnsupported }
