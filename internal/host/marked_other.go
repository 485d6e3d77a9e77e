//go:build !linux

package host

// EndMarked has no means here of finding processes by their environment.
func EndMarked(...string) {}
