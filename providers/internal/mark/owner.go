package mark

import (
	"crypto/sha256"
	"fmt"
	"os"
)

// Owner names a state folder among those of all machines that see the storage, by a work
// folder in it.
func Owner(workDir string) string {
	machine, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		name, _ := os.Hostname() // of two without either, each has a storage of its own most likely
		machine = []byte(name)
	}
	sum := sha256.Sum256(append(machine, workDir...))
	return fmt.Sprintf("%x", sum[:8])
}
