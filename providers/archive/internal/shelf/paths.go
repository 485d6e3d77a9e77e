package shelf

import (
	"fmt"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// NoPart is the error of who wants a part of a backup that the archive does not have.
func NoPart(b providers.BackupID, address string) error {
	return problem.New("backup holds no such part", fmt.Sprintf("%s of %s", address, b), "restore from an archive that has it:\n\n    bkp show "+string(b)+"\n")
}

// NoPaths is the error of who wants paths that a part does not hold.
func NoPaths(b providers.BackupID, address string, missing []string) error {
	return problem.Wrapf(providers.ErrNoPath, "backup does not hold the path", "check the spelling, or look into another backup", "%s of %s: %s", address, b, strings.Join(missing, ", "))
}
