package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/journal"
	"bkp/lang"
	"bkp/providers"
)

// clockTolerance is how far ids may be ahead of the clock before bkp warns.
const clockTolerance = time.Minute

// started is a run that has its id and its journal.
type started struct {
	id      providers.BackupID
	journal *journal.Journal
	// reserved are the archives that keep the id for this run.
	reserved []string
}

// Records identifies what the state folder knows of runs and backups: it changes
// with each that is added or removed.
func (eng *Engine) Records() string {
	ids, _ := journal.IDs(eng.journalDir()) // creating one reports what is wrong
	entries, _ := eng.Catalog().List()
	text := fmt.Sprint(ids)
	for _, e := range entries {
		text += fmt.Sprint(" ", e.Manifest.ID, e.Status)
	}
	return text
}

// newRun takes the next id: one second after the newest of the instance at
// least, so that the newest backup sorts last although the clock was set back,
// and one that nobody else who stores in the same archives has.
func (eng *Engine) newRun(ctx context.Context, inst *lang.Instance) (started, error) {
	t := eng.after(inst.Name, time.Now())
	o, err := eng.open(inst, event.Discard{}, 1)
	if err != nil {
		return started{}, err
	}
	defer o.close()
	for ; ; t = t.Add(time.Second) {
		run, err := eng.tryID(ctx, o, providers.NewBackupID(inst.Name, t))
		if !errors.Is(err, journal.ErrExists) && !errors.Is(err, providers.ErrTaken) {
			return run, err
		}
	}
}

// after is the first time from now on whose id is later than that of every run
// and backup of the instance that this state folder knows.
func (eng *Engine) after(instance string, now time.Time) time.Time {
	ids, _ := journal.IDs(eng.journalDir()) // creating one reports what is wrong
	entries, _ := eng.Catalog().List()
	for _, e := range entries {
		ids = append(ids, e.Manifest.ID)
	}
	for _, id := range ids {
		if id.Instance() == instance && !id.Time().Before(now.Truncate(time.Second)) {
			now = id.Time().Add(time.Second)
		}
	}
	return now
}

// CheckClock says how to go on when ids are ahead of the clock, which was wrong
// then or is wrong now. Nothing else would end it before the clock has caught up.
func (eng *Engine) CheckClock(instances []*lang.Instance) {
	now := time.Now()
	entries, _ := eng.Catalog().List()
	ids, _ := journal.IDs(eng.journalDir())
	for _, e := range entries {
		ids = append(ids, e.Manifest.ID)
	}
	newest := map[string]providers.BackupID{}
	for _, id := range ids {
		if last, ok := newest[id.Instance()]; !ok || id.Time().After(last.Time()) {
			newest[id.Instance()] = id
		}
	}
	for _, i := range instances {
		id, ok := newest[i.Name]
		if !ok || id.Time().Sub(now) <= clockTolerance {
			continue
		}
		eng.warn(fmt.Sprintf("the newest run of %s is %s, and the clock of this machine says %s", i.Address, id, now.UTC().Format("20060102T150405Z")), fmt.Sprintf(
			"check the clock. Until it has caught up, new ids continue from that time; their order, retention and restores are correct. "+
				"To return to correct times, move the archives with ids in the future to another folder, with their manifests, and remove their records:\n\n    rm %s/%s-%s*.json %s/%s-%s*.jsonl",
			eng.Catalog().Dir, i.Name, id.Time().Format("2006"), eng.journalDir(), i.Name, id.Time().Format("2006")))
	}
}

// tryID begins a run with an id, or leaves nothing of it.
func (eng *Engine) tryID(ctx context.Context, o *opened, id providers.BackupID) (started, error) {
	j, err := journal.Create(eng.journalDir(), id)
	if errors.Is(err, journal.ErrExists) {
		return started{}, err
	}
	if err != nil {
		return started{}, problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
	}
	run := started{id: id, journal: j}
	for _, address := range slices.Sorted(maps.Keys(o.archivers)) {
		// The process that finds this record discards, should this process be killed.
		err = j.Note(journal.Record{Type: journal.StepStarted, Instance: o.instance.Name, URL: o.instance.URL, Node: address + "/reserve", Address: address})
		if err == nil {
			err = o.archivers[address].Reserve(ctx, id)
		}
		if err != nil {
			return started{}, eng.withdraw(ctx, o, run, fmt.Errorf("%s: %w", address, err))
		}
		run.reserved = append(run.reserved, address)
	}
	return run, nil
}

// withdraw ends a run that did not begin. What could not be reserved is somebody
// else'eng.
func (eng *Engine) withdraw(ctx context.Context, o *opened, run started, cause error) error {
	for _, address := range run.reserved {
		if err := o.archivers[address].Discard(ctx, run.id); err != nil {
			return errors.Join(cause, err, run.journal.Close()) // the next run tries again
		}
	}
	return errors.Join(cause, run.journal.Close(), journal.Remove(eng.journalDir(), run.id))
}
