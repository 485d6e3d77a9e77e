package cli

import (
	"context"
	"fmt"
	"time"

	"bkp/internal/engine"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/providers"
)

type verifyCmd struct {
	ID                string        `arg:"" optional:"" help:"Id of the backup; see bkp list."`
	Mesh              string        `placeholder:"INSTANCE" help:"Wait until the Mesh replicas of this instance agree, such as after a restore."`
	Within            time.Duration `default:"30m" placeholder:"PERIOD" help:"With --mesh: how long to wait. Default: 30m."`
	Every             time.Duration `default:"5s" placeholder:"PERIOD" help:"With --mesh: time between two looks. Default: 5s."`
	Drill             bool          `help:"Also restore it into a scratch folder and a scratch server, and compare."`
	Scratch           string        `placeholder:"DIR" help:"With --drill: create the scratch folder in DIR. Default: /var/tmp."`
	Sample            int           `placeholder:"N" help:"With --drill: check only N repositories, chosen at random. Default: all."`
	Identity          []string      `placeholder:"FILE" help:"File with the secret key of a recipient, for encrypted backups; may be repeated."`
	AcceptUnencrypted bool          `help:"Accept a backup that is not encrypted from an archive that encrypts."`
	NoDatabase        bool          `help:"With --drill: leave the database out. The backup then does not count as proven."`
}

// Help is shown by bkp verify --help.
func (verifyCmd) Help() string {
	return `Reads every stored byte of the backup, in each archive that should hold it, and
compares it with its checksums. Exits with 1 when anything is damaged or missing.

With --drill the backup is then restored: the home into a scratch folder, and the
database into a scratch server that bkp starts from the server programs installed
on this machine. git checks the repositories, and those that the database
names are compared with those on disk. The instance is not touched, and
everything is removed afterwards. bkp list, status and plan show when a restore was last proven.

The restore runs with the rights of the account that made the backup, and in the
version of its server if that is installed on this machine. Differences from the
real server are listed; the backup then counts as "restored, but not proven", and
the command exits with 1, as it does when anything differs. With --no-database it
exits with 0 if the home is good, and nothing counts as proven.

Of an encrypted backup the checksums are compared without any key, and a warning
says that it was not decrypted. --identity decrypts it as well. A drill with
--identity proves the secret keys in these files; bkp plan warns of recipients
whose keys were never proven.

With --mesh and an instance, but without a backup, bkp asks the instance until it lists
all Mesh nodes as available and no replica as behind, twice in a row, and exits with 1 if
that takes longer than --within.

Examples:
  bkp verify --mesh prod --within 1h
  bkp verify prod-20261122T214431Z
  bkp verify --drill --identity /mnt/usb/key.txt prod-20261122T214431Z
  bkp verify --drill prod-20261122T214431Z
  bkp verify --drill --scratch /data/tmp --sample 100 prod-20261122T214431Z

` + exitCodes("failed, or the backup is damaged or not proven", ExitRunning, exitCrashed)
}

func (c *verifyCmd) Run(ctx context.Context, s *session) error {
	if err := c.fit(); err != nil {
		return err
	}
	if c.Mesh != "" {
		return c.mesh(ctx, s)
	}
	id, err := providers.ParseBackupID(c.ID)
	if err != nil {
		return problem.Usagef("%s", err)
	}
	s.identities, s.acceptUnencrypted = c.Identity, c.AcceptUnencrypted
	load := s.loadArchives
	if c.Drill {
		load = s.loadComponents
	}
	if err := load(); err != nil {
		return err
	}
	sink, done := s.sink(false)
	defer done()
	var fault func(address string, f providers.Finding) // for people, the error has all of them
	if s.JSON {
		fault = s.fault
	}
	good, err := s.engine().Verify(ctx, id, c.Drill, sink, fault)
	if err != nil {
		return err
	}
	if good > 0 {
		s.say("%s is intact: all checksums match; archives read: %d", id, good)
	}
	if c.Drill {
		return c.drill(ctx, s, id, sink)
	}
	return nil
}

// fit refuses flags that would do nothing.
func (c *verifyCmd) fit() error {
	switch {
	case c.Mesh == "" && c.ID == "":
		return problem.Usagef("name a backup, or an instance with --mesh")
	case c.Mesh != "" && (c.ID != "" || c.Drill || len(c.Identity) > 0 || c.AcceptUnencrypted):
		return problem.Usagef("--mesh is about an instance: leave out the backup and all that is about one")
	case c.Within <= 0 || c.Every <= 0:
		return problem.Usagef("--within and --every must be more than 0")
	case !c.Drill && (c.Scratch != "" || c.Sample != 0 || c.NoDatabase):
		return problem.Usagef("--scratch, --sample and --no-database require --drill")
	case c.Sample < 0:
		return problem.Usagef("--sample must be 1 or more, not %d", c.Sample)
	}
	return nil
}

// mesh waits for the replicas of an instance.
func (c *verifyCmd) mesh(ctx context.Context, s *session) error {
	if err := s.loadWhole(); err != nil {
		return err
	}
	sink, done := s.sink(false)
	defer done()
	if err := s.engine().WaitMesh(ctx, engine.MeshRequest{Instance: c.Mesh, Within: c.Within, Every: c.Every}, sink); err != nil {
		return err
	}
	sink.Emit(event.Event{Time: time.Now(), Kind: event.Summary, Message: c.Mesh + ": all Mesh replicas agree", Details: map[string]any{"mesh": "agree"}})
	return nil
}

// fault prints damage. That nobody reads it is no reason to stop.
func (s *session) fault(address string, f providers.Finding) {
	if !s.JSON {
		s.page.Failure(address+": "+f.Error(), f.Remedy)
		return
	}
	_ = s.stream().Write(map[string]any{"event": "fault", "address": address, "summary": f.Summary, "detail": f.Detail})
}

// drill restores the backup on trial and says what that proved.
func (c *verifyCmd) drill(ctx context.Context, s *session, id providers.BackupID, sink event.Sink) error {
	result, err := s.engine().Drill(ctx, engine.DrillRequest{ID: id, Scratch: c.Scratch, Sample: c.Sample, NoDatabase: c.NoDatabase}, sink)
	if err != nil {
		return err
	}
	for _, text := range result.Differences {
		s.fault(string(id), *problem.New("restore differs", text, ""))
	}
	sink.Emit(event.Event{
		Time: time.Now(), Kind: event.Summary, Backup: string(id), Message: drillSummary(result), Details: map[string]any{"drill": result},
	})
	for _, text := range result.NotImitated {
		s.warn(string(id)+": not imitated: "+text, "")
	}
	for _, text := range result.Tolerated {
		s.warn(string(id)+": "+text, "Bitbucket's integrity checks settle this at its next start, as the restore asks for")
	}
	if len(result.Differences) > 0 {
		return problem.New("the drill failed", fmt.Sprintf("%s, differences: %d", id, len(result.Differences)),
			"check whether the live instance has the same faults: then the backup only reproduces them. Restore another backup if you need to")
	}
	if len(result.NotImitated) > 0 {
		return problem.New(unproven(result), fmt.Sprintf("%s, not imitated: %d", id, len(result.NotImitated)),
			"fix each of these, then run the drill again; or restore the backup into a test server like the real one:\n\n    bkp restore "+string(id))
	}
	return nil
}
