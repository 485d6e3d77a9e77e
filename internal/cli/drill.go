package cli

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"bkp/internal/catalog"
	"bkp/internal/drill"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/ui/text"
	"bkp/lang"
	"bkp/providers"
)

// drill restores the backup on trial and records what that proved.
func (c *verifyCmd) drill(ctx context.Context, s *session, id providers.BackupID, sink event.Sink) error {
	p, m, err := (&restoreCmd{}).plan(ctx, s, id, sink)
	if err != nil {
		return err
	}
	parent := c.Scratch
	if parent == "" {
		parent = drill.DefaultParent()
	}
	result, err := drill.Run(ctx, drill.Request{
		Plan: p, URL: m.URL, Parent: parent, StateDir: s.config.StateDir, Records: s.catalog(), Sample: c.Sample, NoDatabase: c.NoDatabase,
		Tool: s.version, Workers: runtime.NumCPU(), Host: &host.Host{}, Sink: sink,
	})
	if err != nil {
		return err
	}
	var faults []providers.Finding
	for _, text := range result.Differences {
		faults = append(faults, *problem.New("restore differs", text, ""))
	}
	if _, err := s.faults(string(id), faults); err != nil {
		return err
	}
	sink.Emit(event.Event{
		Time: time.Now(), Kind: event.Summary, Backup: string(id), Message: drillSummary(result), Details: map[string]any{"drill": result},
	})
	for _, text := range result.NotImitated {
		s.doubt(string(id)+": not imitated: "+text, "")
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

// unproven is the verdict on a drill that found nothing wrong and was unlike a
// restore.
func unproven(d catalog.Drill) string {
	if d.Database == catalog.DatabaseNotRestored {
		return "not restored, and not proven"
	}
	return "restored, but not proven"
}

func drillSummary(d catalog.Drill) string {
	verdict := "proven: it was restored in " + text.Duration(d.Duration)
	switch {
	case len(d.Differences) > 0:
		verdict = "not proven, after " + text.Duration(d.Duration)
	case len(d.NotImitated) > 0:
		verdict = unproven(d) + ", after " + text.Duration(d.Duration)
	case !d.Proven:
		verdict = "not proven as a whole, but what was restored in " + text.Duration(d.Duration) + " is good"
	}
	return fmt.Sprintf("drill of %s: %s; %s", d.Backup, verdict, drillDetails(d))
}

// drillDetails tells what was checked.
func drillDetails(d catalog.Drill) string {
	about := map[catalog.DrilledDatabase]string{
		catalog.DatabaseRestored:    fmt.Sprintf("the database was restored and names %d", d.Named),
		catalog.DatabaseNotRestored: "the restore did not come to its end",
		catalog.DatabaseInHome:      "the embedded database is there, but nothing compared it with them",
		catalog.DatabaseNone:        "the backup holds no database to compare them with",
		catalog.DatabaseLeftOut:     "the database was left out",
	}[d.Database]
	return fmt.Sprintf("git read %d of %d repositories; %s", d.Checked, d.Repositories, about)
}

// drillOf is the last drill of a backup. A record that cannot be read is told
// of, and is none.
func (s *session) drillOf(id providers.BackupID) *catalog.Drill {
	d, err := s.catalog().Drill(id)
	if err != nil {
		s.doubt(err.Error(), "remove the file, and run the drill again")
	}
	return d
}

// lastProven is the newest proof of an instance.
func (s *session) lastProven(i *lang.Instance) *catalog.Drill {
	d, err := s.catalog().LastProven(i.Name, i.URL)
	if err != nil {
		s.doubtDrill(err)
	}
	return d
}

func (s *session) doubtDrill(err error) {
	s.doubt(err.Error(), "remove the file, and run the drill again")
}

// drillWord is a drill in a column of a table.
func drillWord(d *catalog.Drill) string {
	switch {
	case d == nil:
		return "-"
	case d.Proven:
		return "proven " + d.At.Local().Format(time.DateOnly)
	case len(d.Differences) == 0 && len(d.NotImitated) > 0:
		return "not proven " + d.At.Local().Format(time.DateOnly)
	default:
		return "failed " + d.At.Local().Format(time.DateOnly)
	}
}
