package cli

import "fmt"

type validateCmd struct{}

// Help is shown by bkp validate --help.
func (validateCmd) Help() string {
	return `Reads the configuration and reports everything that is wrong with it. Touches
nothing else: no instance, no database, no home.

Examples:
  bkp validate

` + exitCodes
}

func (c *validateCmd) Run(s *session) error {
	if err := s.load(); err != nil {
		return err
	}
	if s.JSON {
		return s.stream().Write(map[string]any{"event": "validated", "valid": true, "instances": len(s.config.Instances)})
	}
	_, err := fmt.Fprintf(s.io.Out, "the configuration is valid: %d instance(s), %d component(s)\n", len(s.config.Instances), len(s.config.Components))
	return err
}
