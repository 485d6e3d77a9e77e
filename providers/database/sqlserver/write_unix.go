//go:build !windows

package sqlserver

import "github.com/google/renameio/v2"

// writeFile writes a file that appears whole, and is safe on disk by then.
func writeFile(path string, text []byte) error { return renameio.WriteFile(path, text, 0o600) }
