package cli

import "os"

// replaceFile changes the content of a file that exists, and nothing else of
// it. A link stays, and its target changes.
func replaceFile(name string, data []byte) error { return os.WriteFile(name, data, 0o600) }
