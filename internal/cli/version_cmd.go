package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// Help is shown by bkp version --help.
func (versionCmd) Help() string {
	return `Prints the version of bkp, of Go, and the platform.

Examples:
  bkp version
  bkp version --json

` + exitCodes("failed")
}

func (c *versionCmd) Run(s *session) error {
	if s.JSON {
		return s.stream().Write(map[string]string{"event": "version", "version": s.version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
	}
	_, err := fmt.Fprintf(s.io.Out, "bkp %s (%s, %s/%s)\n", s.version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// Version is what the build recorded: a release's number, or "dev" with the
// revision if there is one.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, kv := range info.Settings {
		if kv.Key == "vcs.revision" && len(kv.Value) >= 12 {
			return "dev-" + kv.Value[:12]
		}
	}
	return "dev"
}
