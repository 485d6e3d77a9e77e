//go:build !linux

package home

import "github.com/moby/sys/mountinfo"

// volumeID is not known here.
func volumeID(*mountinfo.Info) string { return "" }
