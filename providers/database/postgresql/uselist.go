package postgresql

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"bkp/internal/host"
	"bkp/providers"
)

// entry is a line of pg_restore --list: number; class id kind schema name owner.
var entry = regexp.MustCompile(`^\d+; (\d+) (\d+) (.*)$`)

// ofForeignServers are what cannot be created without its foreign server.
var ofForeignServers = []string{"USER MAPPING ", "FOREIGN TABLE ", "ACL - FOREIGN SERVER ", "COMMENT - SERVER "}

// useList writes the list of what pg_restore restores: all of the dump but what
// is left out, and the comments on extensions, which only their owner may set.
// The caller removes the file.
func (s *strategy) useList(ctx context.Context, client tool, dump string, leftOut []adminObject) (string, error) {
	all, err := s.env.Host.Output(ctx, host.Command{
		Name: client.path, Args: []string{"--list", dump}, Env: s.clientEnv(""), Stderr: s.env.Log,
	})
	if err != nil {
		return "", err
	}
	var kept strings.Builder
	for line := range strings.Lines(all) {
		if keeps(strings.TrimRight(line, "\n"), leftOut) {
			kept.WriteString(line)
		}
	}
	if err := os.MkdirAll(s.env.WorkDir, 0o700); err != nil {
		return "", err
	}
	return s.listFile(), os.WriteFile(s.listFile(), []byte(kept.String()), 0o600)
}

func (s *strategy) listFile() string {
	return filepath.Join(s.env.WorkDir, providers.RestorePrefix+"list")
}

// keeps reports whether a line of the list is restored.
func keeps(line string, leftOut []adminObject) bool {
	m := entry.FindStringSubmatch(line)
	if m == nil {
		return true
	}
	if strings.HasPrefix(m[3], "COMMENT - EXTENSION ") {
		return false
	}
	for _, o := range leftOut {
		if m[1] == strconv.FormatInt(o.Class, 10) && m[2] == strconv.FormatInt(o.ID, 10) {
			return false
		}
		for _, about := range []string{"COMMENT", "ACL", "SECURITY LABEL"} {
			if strings.HasPrefix(m[3]+" ", about+" - "+o.Kind+" "+o.Name+" ") {
				return false
			}
		}
		if o.Kind != "SERVER" {
			continue
		}
		for _, part := range ofForeignServers {
			if strings.HasPrefix(m[3], part) {
				return false
			}
		}
	}
	return true
}
