//go:build !linux

package treesync

import "os"

// isFar is not known here.
func isFar(*os.File) bool { return false }

func statFar(dir int, name string) (entry, error) { return statEntry(dir, name) }
