package cli

import (
	"bytes"
	"encoding/json"
	"fmt"

	"bkp/internal/engine"
	"bkp/internal/ui/text"
)

type permissionsCmd struct {
	Instance []string `placeholder:"INSTANCE" help:"Only what these instances use."`
}

// Help is shown by bkp permissions --help.
func (permissionsCmd) Help() string {
	return `Prints, for each block that asks a service such as Amazon, the least rights that it needs
as it is written: each with its reason, and the whole as a document to be given to the
service. It is written from the configuration alone.

Examples:
  bkp permissions
  bkp permissions --json | jq .document > policy.json

` + exitCodes("", exitCrashed)
}

func (c *permissionsCmd) Run(s *session) error {
	s.offline = true
	if err := s.load(); err != nil {
		return err
	}
	policies, err := s.engine().Policies(c.Instance)
	if err != nil {
		return err
	}
	if s.JSON {
		for _, p := range policies {
			if err := s.stream().Write(p); err != nil {
				return err
			}
		}
		return nil
	}
	if len(policies) == 0 {
		s.say("no block asks a service whose rights have to be granted there; docs/permissions.md has those of this machine")
		return nil
	}
	w := text.Visible(s.io.Out)
	for _, p := range policies {
		if err := printPolicy(w.Write, p); err != nil {
			return err
		}
	}
	return nil
}

func printPolicy(write func([]byte) (int, error), p engine.Policy) error {
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, "%s: %s\n\n", p.Address, p.Title)
	for _, r := range p.Rights {
		tried := "not tried by bkp plan: only a run shows whether it is granted"
		if r.Tried {
			tried = "tried by bkp plan"
		}
		_, _ = fmt.Fprintf(&b, "  %-16s %s (%s)\n", r.Name, r.Reason, tried)
	}
	b.WriteString("\n")
	if err := json.Indent(&b, p.Document, "", "  "); err != nil {
		return err
	}
	b.WriteString("\n\n")
	_, err := write(b.Bytes())
	return err
}
