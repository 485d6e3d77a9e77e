package catalog

import "os"

// writeFile is not atomic here: the system has no such call.
func writeFile(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }
