package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bkp/internal/problem"
	jsonui "bkp/internal/ui/json"
)

type validateCmd struct{}

// Help is shown by bkp validate --help.
func (validateCmd) Help() string {
	return `Reads the configuration and reports all of its errors. It contacts no instance and
no database, and reads no home. Variables need no values, and
what env, file and properties would read need not exist. --json prints one
object in the format of terraform validate -json.

Examples:
  bkp validate
  bkp validate --json

` + exitCodes("failed, or the configuration is not valid")
}

func (c *validateCmd) Run(s *session) error {
	s.offline, s.unset = true, true
	config, diags := s.read()
	if !diags.HasErrors() {
		s.config = config
		found, err := s.engine().Lint()
		if err != nil {
			return err
		}
		diags = slices.Concat(diags, s.atBlocks(found))
	}
	diags = slices.Concat(diags, config.Review())
	if s.JSON {
		if err := s.stream().Write(jsonui.NewValidation(diags, config.Files())); err != nil {
			return err
		}
		if diags.HasErrors() {
			return errReported
		}
		return nil
	}
	if err := s.report(config, diags); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.io.Out, "the configuration is valid: %s, %s\n",
		problem.Counted(len(config.Instances), "instance"), problem.Counted(len(config.Components), "component"))
	if open := config.Open(); err == nil && len(open) > 0 {
		_, err = fmt.Fprintln(s.io.Out, "\nnot checked, because the values are unknown on this machine:")
		for _, address := range slices.Sorted(maps.Keys(open)) {
			_, _ = fmt.Fprintf(s.io.Out, "  %s: %s\n", address, strings.Join(open[address], ", "))
		}
	}
	return err
}
