package host

import (
	"os"
	"runtime"
)

// Program is the path by which this program can be read, and run once more, also when
// an upgrade has replaced its file meanwhile.
func Program() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}
