package cli

import (
	"context"
)

type discardCmd struct {
	lockFlags
	ID          string `arg:"" name:"backup" help:"Id of the backup."`
	Forget      bool   `help:"Take it off the list even if something of it cannot be removed."`
	AutoApprove bool   `help:"Do not ask for approval."`
}

// Help is shown by bkp discard --help.
func (discardCmd) Help() string {
	return `Gives up a backup that was captured but is not stored, because what follows the
unlock keeps failing: its snapshot in a storage that never finishes, or an archive
that is gone. What the backup left is removed, and bkp list does not show it any more.
If an archive holds all of it, that copy stays, and the backup counts as complete.

bkp apply --resume finishes such a backup instead, and should be tried first.
Backups that are complete are removed by their retention (bkp prune).

--forget is for a storage that is gone for good: what cannot be removed is named,
and stays there.

Examples:
  bkp discard prod-20261122T214431Z
  bkp discard --forget prod-20261122T214431Z

` + exitCodes("", ExitRunning, exitCrashed)
}

func (c *discardCmd) Run(ctx context.Context, s *session) error {
	id, err := s.unfinishedID(c.ID)
	if err != nil {
		return err
	}
	if err := s.loadComponents(); err != nil {
		return err
	}
	s.lockTimeout = c.LockTimeout
	eng := s.engine()
	lock, err := eng.Lock(ctx, "discard")
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	e, err := eng.Catalog().Get(id)
	if err != nil {
		return err
	}
	if !c.AutoApprove && !e.Manifest.Archived() {
		if err := s.ask("No archive holds " + c.ID + ". Remove what is left of it?"); err != nil {
			return err
		}
	}
	if err := eng.GiveUp(ctx, id, c.Forget); err != nil {
		return err
	}
	s.say("%s was discarded", id)
	return nil
}
