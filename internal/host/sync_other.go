//go:build !windows

package host

func ignoreOnWindows(err error) error { return err }
