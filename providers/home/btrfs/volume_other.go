//go:build !linux

package btrfs

import (
	"context"

	"bkp/internal/problem"
	"bkp/providers/home/internal/snapshot"
)

var errUnsupported = problem.New("btrfs needs Linux", "this system has no btrfs", `use home "mirror"`)

// Find needs Linux.
func (*storage) Find(context.Context, string) (snapshot.Volume, string, error) {
	return snapshot.Volume{}, "", errUnsupported
}

// Nested needs Linux.
func (*storage) Nested(context.Context, snapshot.Volume, string) ([]string, error) {
	return nil, errUnsupported
}

func (*storage) places() ([]string, error) { return nil, errUnsupported }

func (*storage) place(string) (string, error) { return "", errUnsupported }

func isRoot(string) (bool, error) { return false, errUnsupported }

func readOnly(string) (bool, error) { return false, errUnsupported }
