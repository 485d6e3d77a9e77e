package cli

import (
	"context"

	"bkp/internal/engine"
	"bkp/internal/problem"
	"bkp/providers"
)

type copyCmd struct {
	ID                string   `arg:"" help:"Id of the backup; see bkp list."`
	To                string   `required:"" placeholder:"ADDRESS" help:"Archive to copy to: one that the instance names in archives or in copies."`
	From              string   `placeholder:"ADDRESS" help:"Archive to copy from. Default: the first that has the backup."`
	Scratch           string   `placeholder:"DIR" help:"Unpack below DIR. Default: /var/tmp."`
	Identity          []string `placeholder:"FILE" help:"File with the secret key of a recipient, to copy from an archive that encrypts; may be repeated."`
	AcceptUnencrypted bool     `help:"Accept a backup that is not encrypted from an archive that encrypts."`
	AutoApprove       bool     `help:"Do not ask for approval."`
}

// Help is shown by bkp copy --help.
func (copyCmd) Help() string {
	return `Copies a backup to another archive of the instance, and reads it there to the last
byte. Archives may differ in format, place and encryption: the backup is unpacked
into a scratch folder, which needs as much space as the home and the dump have, and
is removed at the end. Neither Bitbucket nor its database is touched.

An archive that only bkp copy stores in is named in copies of the instance; list,
verify, restore and prune look there, too. A damaged copy is replaced.

Examples:
  bkp copy prod-20261122T214431Z --to ADDRESS
  bkp copy prod-20261122T214431Z --from ADDRESS --to ADDRESS --scratch /data/tmp

` + exitCodes("", ExitRunning, exitCrashed)
}

func (c *copyCmd) Run(ctx context.Context, s *session) error {
	id, err := providers.ParseBackupID(c.ID)
	if err != nil {
		return problem.Usagef("%s", err)
	}
	if c.From == c.To {
		return problem.Usagef("--from and --to are the same archive")
	}
	s.identities, s.acceptUnencrypted = c.Identity, c.AcceptUnencrypted
	if err := s.loadArchives(); err != nil {
		return err
	}
	eng := s.engine()
	lock, err := eng.Lock()
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	if err := eng.CleanCopy(ctx); err != nil {
		return err
	}
	sink, done := s.sink(false)
	defer done()
	p, err := eng.PlanCopy(ctx, engine.CopyRequest{ID: id, To: c.To, From: c.From, Scratch: c.Scratch}, sink)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := s.showPlan(p.File); err != nil {
		return err
	}
	if !c.AutoApprove {
		if err := s.ask("Copy this backup?"); err != nil {
			return err
		}
	}
	return eng.Copy(ctx, p, sink)
}
