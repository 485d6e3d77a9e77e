package cli

import (
	"context"
	"errors"
	"fmt"

	"bkp/internal/problem"
	"bkp/providers"
)

type verifyCmd struct {
	ID string `arg:"" help:"Id of the backup; see bkp list."`
}

// Help is shown by bkp verify --help.
func (verifyCmd) Help() string {
	return `Reads every stored byte of the backup, in each archive that should hold it, and
compares it with its checksums. Exits with 1 when anything is damaged or missing.

Examples:
  bkp verify prod-20261122T214431Z

` + exitCodes
}

func (c *verifyCmd) Run(ctx context.Context, s *session) error {
	id, err := providers.ParseBackupID(c.ID)
	if err != nil {
		return usagef("%s", err)
	}
	if err := s.load(); err != nil {
		return err
	}
	inst, ok := s.config.Instance(id.Instance())
	if !ok {
		return problem.New("no such instance", fmt.Sprintf("the configuration has no instance %q", id.Instance()), "verify with the configuration that made the backup")
	}
	sink, done := s.sink()
	defer done()
	o, err := s.open(inst, sink, 0)
	if err != nil {
		return err
	}
	known := c.known(s, id)
	checked, damaged := 0, 0
	for _, a := range o.archives {
		findings, err := a.Archiver.Verify(ctx, id)
		if errors.Is(err, providers.ErrNotFound) && !known[a.Address] {
			continue
		}
		if err != nil {
			return interruptedBy(ctx, fmt.Errorf("%s: %w", a.Address, err))
		}
		checked++
		for _, f := range findings {
			damaged++
			if s.JSON {
				err = s.stream().Write(map[string]any{"event": "fault", "address": a.Address, "summary": f.Summary, "detail": f.Detail})
			} else {
				s.page.Failure(a.Address+": "+f.Error(), f.Remedy)
			}
			if err != nil {
				return err
			}
		}
	}
	switch {
	case checked == 0:
		return fmt.Errorf("%w: no archive holds %s", providers.ErrNotFound, id)
	case damaged > 0:
		return problem.New("the backup is damaged", fmt.Sprintf("%s, faults: %d", id, damaged), "restore another one if you need to, and find out what the disk did")
	}
	s.say("%s is good, every byte has its checksum; archives read: %d", id, checked)
	return nil
}

// known are the archives that the catalog says hold the backup: one of them
// having lost it is damage.
func (c *verifyCmd) known(s *session, id providers.BackupID) map[string]bool {
	out := map[string]bool{}
	if e, err := s.catalog().Get(id); err == nil {
		for _, st := range e.Manifest.Stored {
			out[st.Archive] = true
		}
	}
	return out
}
