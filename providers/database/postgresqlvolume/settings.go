package postgresqlvolume

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"bkp/internal/host"
	"bkp/internal/pgserver"
	"bkp/internal/problem"
	"bkp/providers"
)

// commandFile is where a server writes how it was started: the program, and then
// every argument in double quotes (CreateOptsFile in PostgreSQL's postmaster.c).
const commandFile = "postmaster.opts"

// maxCommand bounds it, in bytes.
const maxCommand = 64 << 10

// neededOn are the settings without which files of one instant may not be
// recoverable: a server that does not wait for the disk, or writes torn pages.
var neededOn = []string{"fsync", "full_page_writes"}

// checkSettings refuses a server whose files are of no use in a snapshot. Where that
// cannot be known, it warns.
func (s *strategy) checkSettings(ctx context.Context, r *providers.Report) error {
	values, err := s.settings(ctx, r.Facts[factVersion])
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		r.Add(problem.Warn("settings of the server are unknown", err.Error(), "check that they are on:\n\n    SHOW fsync;\n    SHOW full_page_writes;\n"))
		return nil
	}
	for i, name := range neededOn {
		if values[i] != "on" {
			r.Add(problem.New("server may lose what it has written", fmt.Sprintf("%s is %s: the files of one instant may hold less than was committed, or torn pages", name, values[i]),
				fmt.Sprintf("turn %s on and restart the server, or dump the database: database \"postgresql\"", name)))
		}
	}
	return nil
}

// settings are the values of neededOn, as the server that runs on the directory, or
// ran there last, was started with.
func (s *strategy) settings(ctx context.Context, version string) ([]string, error) {
	text, err := host.ReadRegular(filepath.Join(s.cfg.DataDirectory, commandFile), maxCommand)
	if err != nil {
		return nil, err
	}
	args, err := arguments(string(text))
	if err != nil {
		return nil, err
	}
	bin, err := s.findServer(ctx, providers.Artifact{Facts: map[string]string{factVersion: version}})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range neededOn {
		value, err := pgserver.Setting(ctx, bin, args, name)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

// arguments reads those of a command file. The program that it names is not used: who
// may write there must not choose what bkp runs.
func arguments(text string) ([]string, error) {
	_, rest, ok := strings.Cut(strings.TrimSpace(text), ` "`)
	if !ok {
		return nil, nil // started without arguments
	}
	rest, ok = strings.CutSuffix(rest, `"`)
	if !ok {
		return nil, errors.New(commandFile + " does not end as a server writes it")
	}
	return strings.Split(rest, `" "`), nil
}
