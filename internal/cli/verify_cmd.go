package cli

import (
	"context"
	"errors"
	"fmt"

	"bkp/internal/planner"
	"bkp/internal/problem"
	"bkp/providers"
)

type verifyCmd struct {
	ID         string `arg:"" help:"Id of the backup; see bkp list."`
	Drill      bool   `help:"Restore it on trial, too, and compare."`
	Scratch    string `placeholder:"DIR" help:"With --drill: make the scratch folder in here. Otherwise in /var/tmp."`
	Sample     int    `placeholder:"N" help:"With --drill: let git read only so many repositories, chosen by chance. Otherwise all."`
	NoDatabase bool   `help:"With --drill: leave the database out. Then nothing counts as proven."`
}

// Help is shown by bkp verify --help.
func (verifyCmd) Help() string {
	return `Reads every stored byte of the backup, in each archive that should hold it, and
compares it with its checksums. Exits with 1 when anything is damaged or missing.

With --drill the backup is then restored, the home into a scratch folder and the
database into a scratch server, which is started for it from the server programs
that are installed here. git reads the repositories, and those that the database
names are compared with those on disk. Nothing of the instance is touched, and
nothing stays. bkp list, status and plan tell when a restore was last proven.

The restore runs with the rights of the account that made the backup, and in the
version of its server if the programs of that are installed here. What could not
be imitated is listed, the backup then counts as "restored, but not proven", and
the command exits with 1, as it does when anything differs.

Examples:
  bkp verify prod-20261122T214431Z
  bkp verify --drill prod-20261122T214431Z
  bkp verify --drill --scratch /data/tmp --sample 100 prod-20261122T214431Z

` + exitCodes
}

func (c *verifyCmd) Run(ctx context.Context, s *session) error {
	id, err := providers.ParseBackupID(c.ID)
	if err != nil {
		return usagef("%s", err)
	}
	if err := c.fit(); err != nil {
		return err
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
	good, err := c.verify(ctx, s, id, o)
	if err != nil {
		return interruptedBy(ctx, err)
	}
	if good > 0 {
		s.say("%s is good, every byte has its checksum; archives read: %d", id, good)
	}
	if c.Drill {
		return interruptedBy(ctx, c.drill(ctx, s, id, sink))
	}
	return nil
}

// fit refuses flags that would do nothing.
func (c *verifyCmd) fit() error {
	switch {
	case !c.Drill && (c.Scratch != "" || c.Sample != 0 || c.NoDatabase):
		return usagef("--scratch, --sample and --no-database are for --drill")
	case c.Sample < 0:
		return usagef("--sample %d is no number of repositories", c.Sample)
	}
	return nil
}

// verify reads the backup in every archive that should hold it, and returns in
// how many it is good. None is an error, unless a drill is to follow.
func (c *verifyCmd) verify(ctx context.Context, s *session, id providers.BackupID, o *opened) (good int, err error) {
	known := c.known(s, id)
	checked, damaged := 0, 0
	for _, a := range o.archives {
		findings, err := a.Archiver.Verify(ctx, id)
		if errors.Is(err, providers.ErrNotFound) && !known[a.Address] {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", a.Address, err)
		}
		checked++
		findings = append(findings, s.replaced(ctx, id, a)...)
		faults, err := s.faults(a.Address, findings)
		if err != nil {
			return 0, err
		}
		damaged += faults
		if len(findings) == 0 {
			good++
		}
	}
	switch {
	case checked == 0:
		return 0, fmt.Errorf("%w: no archive holds %s", providers.ErrNotFound, id)
	case damaged > 0:
		return 0, problem.New("the backup is damaged", fmt.Sprintf("%s, faults: %d", id, damaged), "restore another one if you need to, and find out what the disk did")
	case good == 0 && !c.Drill:
		return 0, problem.New("the backup cannot be verified", fmt.Sprintf("%s has no checksums", id), "declare an archive, whose every byte can be verified; or see whether it can be restored:\n\n    bkp verify --drill "+string(id))
	}
	return good, nil
}

// faults prints what was found, and returns how many are damage.
func (s *session) faults(address string, findings []providers.Finding) (damaged int, err error) {
	for _, f := range findings {
		if f.Severity == problem.Warning {
			s.doubt(address+": "+f.Summary+": "+f.Detail, f.Remedy)
			continue
		}
		damaged++
		if !s.JSON {
			s.page.Failure(address+": "+f.Error(), f.Remedy)
			continue
		}
		if err := s.stream().Write(map[string]any{"event": "fault", "address": address, "summary": f.Summary, "detail": f.Detail}); err != nil {
			return damaged, err
		}
	}
	return damaged, nil
}

// replaced finds an archive that is whole in itself, and is not the one that
// the catalog knows. What cannot be read was told of by Verify.
func (s *session) replaced(ctx context.Context, id providers.BackupID, a planner.Archive) []providers.Finding {
	list, _, _ := a.Archiver.List(ctx)
	for _, m := range list {
		var p *problem.Problem
		if m.ID == id && errors.As(s.changed(m, a.Address), &p) {
			return []providers.Finding{*p}
		}
	}
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
