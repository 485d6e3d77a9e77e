// Package restore plans and carries out the way back: fetch the artifacts of
// one backup beside their targets, then let each strategy put its own in
// place, the home before the database.
//
// It leaves out which backups there are (internal/catalog) and how it looks
// (it emits events).
package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"

	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/providers"
)

// Part is one component to restore.
type Part struct {
	Artifact providers.Artifact
	Strategy providers.Strategy
	// WorkDir is the component's own folder, for strategies that do not say
	// where to unpack.
	WorkDir string
	// Does tells what will be done.
	Does string
}

// Plan of a restore.
type Plan struct {
	ID providers.BackupID
	// Archive to fetch from; nil when the trees are where they were captured.
	Archive        providers.Archiver
	ArchiveAddress string
	Location       string
	// Parts in the order in which they are restored.
	Parts []Part
	// StateDir is where it is recorded what the restore makes for a while, so
	// that Clean finds it after a kill. "" for a caller who has another record.
	StateDir string
}

// Finding is a problem at an address.
type Finding struct {
	Address string
	problem.Problem
}

// Check asks every strategy whether its restore can work, and fills in what it
// will do. It changes nothing.
func Check(ctx context.Context, p *Plan) ([]Finding, error) {
	var out []Finding
	var needs []providers.SpaceNeed
	for i := range p.Parts {
		part := &p.Parts[i]
		c, ok := part.Strategy.(providers.RestoreChecker)
		if !ok {
			continue
		}
		report, err := c.CheckRestore(ctx, part.Artifact)
		if ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
		if err != nil {
			report.Add(problem.Wrap(err, "the check could not be carried out", problem.Remedy(err)))
		}
		for _, f := range report.Findings {
			out = append(out, Finding{part.Artifact.Address, f})
		}
		part.Does = report.Does[providers.Restore]
		needs = append(needs, report.Space...)
	}
	return append(out, enough(append(needs, p.staging()...))...), nil
}

// Run carries the plan out. What was restored before a failure stays, and the
// error says so; what was unpacked is removed.
func Run(ctx context.Context, p Plan, sink event.Sink) error {
	stages := stages{dirs: map[string]string{}}
	if p.StateDir != "" {
		if err := p.remember(); err != nil {
			return problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
		}
		defer func() { forget(p.StateDir, sink) }()
	}
	defer stages.remove()
	if p.Archive != nil {
		if err := fetch(ctx, p, &stages, sink); err != nil {
			return err
		}
	}
	var done []string
	for _, part := range p.Parts {
		a := part.Artifact
		if dir, ok := stages.dirs[a.Address]; ok {
			a.Trees = providers.OneTree(dir)
		}
		err := step(sink, a.Address, "restore", part.Does, func() error { return full(part.Strategy.Restore(ctx, a)) })
		if err != nil && len(done) > 0 {
			err = multierror.Append(fmt.Errorf("%s: %w", a.Address, err), fmt.Errorf("restored before that, and still there: %s", strings.Join(done, ", ")))
		}
		if err != nil {
			return err
		}
		done = append(done, a.Address)
	}
	return nil
}

// fetch unpacks the artifacts, each where its strategy wants it.
func fetch(ctx context.Context, p Plan, stages *stages, sink event.Sink) error {
	for _, part := range p.Parts {
		if part.Artifact.SHA256 == "" {
			continue // nothing of it is stored: it lies inside another artifact
		}
		if err := stages.add(part.Artifact.Address, p.stageOf(part), part.stageMode()); err != nil {
			return problem.Wrap(err, "nothing can be unpacked beside the target", "run as a user who may write there, or choose another target")
		}
	}
	does := "unpack " + p.Location
	return step(sink, p.ArchiveAddress, "fetch", does, func() error {
		_, err := p.Archive.Fetch(ctx, p.ID, func(a providers.Artifact) string { return stages.dirs[a.Address] })
		return err
	})
}

func step(sink event.Sink, address, phase, does string, do func() error) error {
	e := event.Event{Time: time.Now(), Kind: event.StepStarted, Node: address + "/" + phase, Address: address, Phase: phase, Message: does}
	sink.Emit(e)
	err := do()
	e.Elapsed, e.Time, e.Kind = time.Since(e.Time), time.Now(), event.StepDone
	if err != nil {
		e.Kind, e.Error = event.StepFailed, err.Error()
	}
	sink.Emit(e)
	return err
}

// Source is an archive that may hold a backup.
type Source struct {
	Address  string
	Archiver providers.Archiver
}

// Find looks for a backup in archives, the first that has it; the error wraps
// providers.ErrNotFound when none has.
func Find(ctx context.Context, id providers.BackupID, sources []Source) (providers.Manifest, Source, error) {
	var all error
	for _, s := range sources {
		list, findings, err := s.Archiver.List(ctx)
		if err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", s.Address, err))
			continue
		}
		for i := range findings {
			// A backup that is there, but not to be trusted, is not on the list.
			if strings.Contains(findings[i].Detail, string(id)) {
				all = errors.Join(all, &findings[i])
			}
		}
		for _, m := range list {
			if m.ID == id {
				return m, s, nil
			}
		}
	}
	return providers.Manifest{}, Source{}, errors.Join(fmt.Errorf("%w: %s", providers.ErrNotFound, id), all)
}
