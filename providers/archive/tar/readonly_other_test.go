//go:build !linux

package tar

import (
	"os"
	"runtime"
	"testing"
)

// readOnly makes a folder that this user cannot write to.
func readOnly(t *testing.T, folder string) {
	t.Helper()
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("needs an ordinary user of a Unix system")
	}
	must(t, os.Chmod(folder, 0o500))
}
