//go:build !linux

package treesync

import "os"

// Asks reports whether this system can ask other machines about their files.
func Asks() bool { return false }

// isFar is not known here.
func isFar(*os.File) bool { return false }

func statFar(dir int, name string) (entry, error) { return statEntry(dir, name) }
