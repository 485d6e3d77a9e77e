package sqlserver

import "os"

// writeFile writes a file: what makes one appear whole is missing there.
func writeFile(path string, text []byte) error { return os.WriteFile(path, text, 0o600) }
