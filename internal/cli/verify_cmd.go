package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bkp/internal/engine"
	"bkp/internal/event"
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
		return problem.Usagef("%s", err)
	}
	if err := c.fit(); err != nil {
		return err
	}
	load := s.loadArchives
	if c.Drill {
		load = s.loadComponents
	}
	if err := load(); err != nil {
		return err
	}
	sink, done := s.sink()
	defer done()
	good, err := s.engine().Verify(ctx, id, c.Drill, sink, s.fault)
	if err != nil {
		return err
	}
	if good > 0 {
		s.say("%s is good, every byte has its checksum; archives read: %d", id, good)
	}
	if c.Drill {
		return c.drill(ctx, s, id, sink)
	}
	return nil
}

// fit refuses flags that would do nothing.
func (c *verifyCmd) fit() error {
	switch {
	case !c.Drill && (c.Scratch != "" || c.Sample != 0 || c.NoDatabase):
		return problem.Usagef("--scratch, --sample and --no-database are for --drill")
	case c.Sample < 0:
		return problem.Usagef("--sample %d is no number of repositories", c.Sample)
	}
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
	if len(result.Differences) > 0 {
		return problem.New("the drill failed", fmt.Sprintf("%s, differences: %d", id, len(result.Differences)),
			"see whether the live instance has the same faults: a backup holds what was there. Restore another one if you need to")
	}
	if len(result.NotImitated) > 0 {
		return problem.New(unproven(result), fmt.Sprintf("%s: %s", id, strings.Join(result.NotImitated, "; ")),
			"do what each of these says, then run the drill again; or restore the backup on trial into a server like the real one:\n\n    bkp restore "+string(id))
	}
	return nil
}
