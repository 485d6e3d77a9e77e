package cli

import (
	"context"
	"time"

	"bkp/internal/problem"
	"bkp/internal/records/catalog"
)

type pinCmd struct {
	ID     string `arg:"" name:"backup" help:"Id of the backup."`
	Until  string `placeholder:"DATE" help:"Last day on which it is kept, as 2027-12-31; for ever by default."`
	Reason string `placeholder:"TEXT" help:"Why, for those who read bkp list and bkp prune."`
}

// Help is shown by bkp pin --help.
func (pinCmd) Help() string {
	return `Keeps a backup regardless of the retention: the last one before an upgrade, or one
that an audit asks for. The pin is recorded in the state folder; another state
folder that prunes the same archive does not know it.

Examples:
  bkp pin prod-20261122T214431Z --reason "before the upgrade to 10.2" --until 2027-03-31

` + exitCodes("failed", exitCrashed)
}

func (c *pinCmd) Run(ctx context.Context, s *session) error {
	id, err := s.completeID(c.ID)
	if err != nil {
		return err
	}
	pin := catalog.Pin{Backup: id, Reason: c.Reason, At: time.Now().UTC()}
	if c.Until != "" {
		day, err := time.ParseInLocation(time.DateOnly, c.Until, time.Local)
		if err != nil || !day.AddDate(0, 0, 1).After(time.Now()) {
			return problem.Usagef("--until %q: give a day that has not passed, as 2027-12-31", c.Until)
		}
		pin.Until = day.AddDate(0, 0, 1)
	}
	if err := s.loadArchives(); err != nil {
		return err
	}
	if err := s.engine().KnownBackup(ctx, id); err != nil {
		return err
	}
	if err := s.engine().Catalog().Pin(pin); err != nil {
		return problem.Wrap(err, "the pin cannot be recorded", "let this user write the state folder")
	}
	s.say("%s is %s", id, pin)
	return nil
}

type unpinCmd struct {
	ID string `arg:"" name:"backup" help:"Id of the backup."`
}

// Help is shown by bkp unpin --help.
func (unpinCmd) Help() string {
	return `Removes the pin of a backup (bkp pin): from then on its retention decides again.

Examples:
  bkp unpin prod-20261122T214431Z

` + exitCodes("failed", exitCrashed)
}

func (c *unpinCmd) Run(_ context.Context, s *session) error {
	id, err := s.completeID(c.ID)
	if err != nil {
		return err
	}
	if err := s.loadRecords(); err != nil {
		return err
	}
	was, err := s.engine().Catalog().Unpin(id)
	if err != nil {
		return problem.Wrap(err, "the pin cannot be removed", "let this user write the state folder")
	}
	if !was {
		return problem.New("not pinned", string(id), "see which backups are:\n\n    bkp prune --preview 1d")
	}
	s.say("%s is not pinned any more", id)
	return nil
}
