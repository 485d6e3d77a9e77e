package cli

import (
	"context"

	"bkp/internal/engine"
	"bkp/internal/problem"
	"bkp/providers"
)

type restoreCmd struct {
	ID          string   `arg:"" help:"Id of the backup; see bkp list."`
	Home        string   `placeholder:"DIR" help:"Restore the home into this folder instead."`
	Database    string   `placeholder:"NAME" help:"Restore into this database instead, on the same server."`
	Target      []string `placeholder:"ADDRESS" help:"Only this component; may be repeated."`
	AutoApprove bool     `help:"Do not ask."`
}

// Help is shown by bkp restore --help.
func (restoreCmd) Help() string {
	return `Checks, shows what it will do, asks, and does it: the home first, then the
database. Bitbucket must be stopped. A home that is not empty and a database
that has tables are refused; nothing is ever written over.

Examples:
  bkp restore prod-20261122T214431Z
  bkp restore prod-20261122T214431Z --home /srv/standby --database standby

` + exitCodes
}

func (c *restoreCmd) Run(ctx context.Context, s *session) error {
	id, err := providers.ParseBackupID(c.ID)
	if err != nil {
		return problem.Usagef("%s", err)
	}
	if err := s.load(); err != nil {
		return err
	}
	lock, err := s.engine().Lock()
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	s.doubtful(s.engine().CleanRestore()) // who needs a restore now is not kept from it
	sink, done := s.sink()
	defer done()
	eng := s.engine()
	p, err := eng.PlanRestore(ctx, engine.RestoreRequest{ID: id, Home: c.Home, Database: c.Database, Targets: c.Target}, sink)
	if err != nil {
		return err
	}
	defer p.Close()
	if !s.JSON {
		s.out.Restore(p.Plan, p.Manifest.Created)
	}
	if !c.AutoApprove {
		if err := s.ask("Restore this backup?"); err != nil {
			return err
		}
	}
	return eng.Restore(ctx, p, sink)
}

// doubtful tells of an error that stops nothing.
func (s *session) doubtful(err error) {
	if err != nil {
		s.doubt(err.Error(), problem.Remedy(err))
	}
}
