package cli

import (
	"context"
	"fmt"
	"os"

	"bkp/internal/engine"
	"bkp/internal/engine/plan"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/ui/markdown"
	"bkp/providers"
)

type restoreCmd struct {
	lockFlags
	Backup            string            `arg:"" name:"BACKUP" help:"Id of the backup, see bkp list; latest or latest:INSTANCE for the newest one; or a plan saved with --out."`
	Home              string            `placeholder:"DIR" help:"Restore the home into this folder instead."`
	Database          string            `placeholder:"NAME" help:"Restore into this database instead, on the same server."`
	To                map[string]string `placeholder:"ADDRESS=PLACE" mapsep:"none" help:"Restore this component to another place: a folder for a home or a Mesh node, a name for a database; or CONNECTION:PLACE on another machine; may be repeated."`
	Target            []string          `placeholder:"ADDRESS" help:"Only this component; may be repeated."`
	Path              []string          `placeholder:"PATH" help:"Only this file or folder of the home, relative to it or as it was when the backup was made; needs --home; may be repeated."`
	From              string            `placeholder:"ADDRESS" help:"Restore from this archive. Default: the first that has all parts."`
	Out               string            `placeholder:"FILE" help:"Save the plan and restore nothing; carry it out with: bkp restore FILE."`
	Format            string            `enum:"text,markdown" default:"text" help:"Format of the plan: text, or markdown for a pull request."`
	Identity          []string          `placeholder:"FILE" help:"File with the secret key of a recipient, for encrypted backups; may be repeated."`
	AcceptUnencrypted bool              `help:"Accept a backup that is not encrypted from an archive that encrypts."`
	AutoApprove       bool              `help:"Do not ask for approval."`
}

// Help is shown by bkp restore --help.
func (restoreCmd) Help() string {
	return `Checks the target, shows the plan, asks for approval, and restores the home first,
then the database, then the Mesh nodes. A saved plan is carried out without a question.

Stop Bitbucket before you restore to its own home and database. With --home and
--database the restore goes to another place and Bitbucket may keep running. A home
that is not empty and a database that has tables are refused: bkp never overwrites
data.

--path restores single files and folders of the home, with all that is below them, and
without the database: one repository that was deleted by mistake.

Examples:
  bkp restore prod-20261122T214431Z
  bkp restore prod-20261122T214431Z --home /srv/standby --database standby
  bkp restore prod-20261122T214431Z --to ADDRESS=/srv/standby/mesh-a
  bkp restore prod-20261122T214431Z --to ADDRESS=CONNECTION:/srv/home
  bkp restore prod-20261122T214431Z --path shared/data/repositories/42 --home /srv/found
  bkp restore prod-20261122T214431Z --from ADDRESS
  bkp restore prod-20261122T214431Z --identity /mnt/usb/key.txt
  bkp restore prod-20261122T214431Z --out restore.bkpplan
  bkp restore restore.bkpplan

` + exitCodes("", ExitRunning, exitCrashed)
}

func (c *restoreCmd) Run(ctx context.Context, s *session) error {
	if c.Format == formatMarkdown && s.JSON {
		return problem.Usagef("--format and --json cannot be combined")
	}
	id, saved, err := c.backup(s)
	if err != nil {
		return err
	}
	if err := engine.PlaceForPlan(c.Out, engine.MakesRestorePlan); err != nil {
		return err
	}
	s.identities, s.acceptUnencrypted = c.Identity, c.AcceptUnencrypted
	if err := s.loadComponents(); err != nil {
		return err
	}
	s.lockTimeout = c.LockTimeout
	eng := s.engine()
	lock, err := eng.Lock(ctx, "restore")
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	s.warnOf(eng.CleanRestore(ctx)) // who needs a restore now is not kept from it
	sink, done := s.sink(false)
	defer done()
	p, err := c.plan(ctx, eng, id, saved, sink)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := c.show(s, p); err != nil {
		return err
	}
	if c.Out != "" {
		return savePlan(s, c.Out, p.File, engine.MakesRestorePlan, "bkp restore")
	}
	if !c.AutoApprove && saved == nil {
		if err := s.ask("Restore this backup?"); err != nil {
			return err
		}
	}
	return eng.Restore(ctx, p, sink)
}

// backup is the id to restore, or the saved plan.
func (c *restoreCmd) backup(s *session) (providers.BackupID, *plan.File, error) {
	if _, latest := isLatest(c.Backup); latest {
		id, err := s.completeID(c.Backup)
		return id, nil, err
	}
	id, err := providers.ParseBackupID(c.Backup)
	if err == nil {
		return id, nil, nil
	}
	if _, serr := os.Stat(c.Backup); serr != nil {
		return "", nil, problem.Usage(problem.New("no such backup or plan", fmt.Sprintf("%s, and no file has this name", err),
			"list the backups:\n\n    bkp list\n\nor make a plan:\n\n    "+engine.MakesRestorePlan+" --out FILE"))
	}
	if c.Home != "" || c.Database != "" || len(c.To) > 0 || len(c.Target) > 0 || len(c.Path) > 0 || c.From != "" || c.Out != "" {
		return "", nil, problem.Usagef("--home, --database, --to, --target, --path, --from and --out are for a new plan, and %s is a plan", c.Backup)
	}
	f, err := engine.ReadPlan(c.Backup, s.version, engine.MakesRestorePlan)
	return "", &f, err
}

func (c *restoreCmd) plan(ctx context.Context, eng *engine.Engine, id providers.BackupID, saved *plan.File, sink event.Sink) (*engine.RestorePlan, error) {
	if saved != nil {
		return eng.RestoreHolds(ctx, *saved, sink)
	}
	return eng.PlanRestore(ctx, engine.RestoreRequest{ID: id, Home: c.Home, Database: c.Database, To: c.To, Targets: c.Target, Paths: c.Path, From: c.From}, sink)
}

func (c *restoreCmd) show(s *session, p *engine.RestorePlan) error {
	if c.Format == formatMarkdown {
		return markdown.Plan(s.io.Out, p.File, markdown.Warnings(p.File.Plans))
	}
	return s.showPlan(p.File)
}

// warnOf shows an error that stops nothing.
func (s *session) warnOf(err error) {
	if err != nil {
		s.warn(err.Error(), problem.Remedy(err))
	}
}
