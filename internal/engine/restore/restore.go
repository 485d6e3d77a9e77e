// Package restore plans and carries out the way back: fetch the artifacts of
// one backup beside their targets, then let each strategy put its own in
// place, the home before the database.
//
// It leaves out which backups there are (internal/records/catalog) and how it looks
// (it emits events).
package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/stage"
	"bkp/internal/engine/walk"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/providers"
)

// Part is one component to restore.
type Part struct {
	Artifact providers.Artifact
	// Copy is what the archive has of it, nil if it lies elsewhere: in another
	// artifact, where it was captured, or where the storage keeps it.
	Copy *providers.Part
	// Direct is set if the restorer takes the copy from the archive itself.
	Direct   bool
	Restorer providers.Restorer
	// Strategy captured the artifact, and made the restorer.
	Strategy providers.Strategy
	// WorkDir is the component's own folder, for restorers that do not say
	// where to unpack.
	WorkDir string
	// Does describes what will be done.
	Does string
	// On is the connection to the machine to which it is restored, "" for this one.
	On string
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
	// Tidy removes what the restore of a component left on another machine; nil if no
	// part has one.
	Tidy func(ctx context.Context, t stage.There) error
}

// Finding is a problem at an address.
type Finding struct {
	Address string
	problem.Problem
}

// Nodes are the steps of the restore: to fetch what an archive has, then to
// restore each part after the one before.
func (p Plan) Nodes() []plan.Node {
	var out []plan.Node
	var before []plan.NodeID
	if slices.ContainsFunc(p.Parts, isStored) {
		out = append(out, plan.NewNode(plan.Fetch, p.ArchiveAddress, "unpack "+p.some()+p.Location))
		before = []plan.NodeID{out[0].ID}
	}
	for _, part := range p.Parts {
		n := plan.NewNode(plan.Recreate, part.Artifact.Address, part.Does, before...).At(part.On)
		out, before = append(out, n), []plan.NodeID{n.ID}
	}
	return out
}

// some says how much of the backup is unpacked, if it is not all.
func (p Plan) some() string {
	paths := 0
	for _, part := range p.Parts {
		paths += len(part.Artifact.Only)
	}
	if paths == 0 {
		return ""
	}
	return problem.Counted(paths, "path") + " of "
}

// isStored reports whether a copy is to be unpacked here.
func isStored(p Part) bool { return p.Copy != nil && !p.Direct }

// Checked is what the checks of a restore saw.
type Checked struct {
	Findings []Finding
	// Facts identify the targets, by address.
	Facts map[string]map[string]string
}

// Check asks every strategy whether its restore can work, and fills in what it
// will do. It changes nothing.
func Check(ctx context.Context, p *Plan) (Checked, error) {
	out := Checked{Facts: map[string]map[string]string{}}
	var needs []providers.SpaceNeed
	for i := range p.Parts {
		part := &p.Parts[i]
		report, err := part.Restorer.Check(ctx, part.Artifact)
		if ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
		if err != nil {
			report.Add(problem.Wrap(err, "the check could not be carried out", problem.Remedy(err)))
		}
		for _, f := range report.Findings {
			out.Findings = append(out.Findings, Finding{part.Artifact.Address, f})
		}
		if len(report.Facts) > 0 {
			out.Facts[part.Artifact.Address] = report.Facts
		}
		part.Does = report.Does[providers.Restore]
		if part.Direct {
			part.Does += ", straight from " + p.Location
		}
		needs = append(needs, part.Needs(report.Space)...)
	}
	out.Findings = append(out.Findings, Enough(append(needs, p.staging()...))...)
	return out, nil
}

// Run carries the nodes of p out. What was restored before a failure stays, and
// the error says so; what was unpacked is removed. Once patience has ended, Run
// leaves steps that do not end with ctx.
func Run(ctx, patience context.Context, p Plan, sink event.Sink) error {
	r := running{Plan: p, sink: sink, stages: stages{dirs: map[string]string{}}}
	if p.StateDir != "" {
		made, err := p.remember()
		if err != nil {
			return problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
		}
		defer func() { p.forget(ctx, patience, made, sink) }()
	}
	defer r.stages.remove()
	return walk.Nodes(ctx, patience, p.Nodes(), 1, r.step)
}

// running is a restore under way.
type running struct {
	Plan
	sink   event.Sink
	stages stages
	done   []string
}

func (r *running) step(ctx context.Context, n plan.Node) error {
	return walk.Step(r.sink, n, func() error {
		if n.Phase == plan.Fetch {
			return r.fetch(ctx)
		}
		i := slices.IndexFunc(r.Parts, func(p Part) bool { return p.Artifact.Address == n.Address })
		if i < 0 {
			return fmt.Errorf("the plan names %s, which is not there", n.Address)
		}
		return r.recreate(ctx, r.Parts[i])
	})
}

func (r *running) recreate(ctx context.Context, part Part) error {
	a := part.Artifact
	if dir, ok := r.stages.dirs[a.Address]; ok {
		a.Trees = providers.OneTree(dir)
	}
	err := full(part.Restorer.Restore(ctx, a))
	if err != nil && len(r.done) > 0 {
		err = multierror.Append(fmt.Errorf("%s: %w", a.Address, err), fmt.Errorf("restored before that, and still there: %s", strings.Join(r.done, ", ")))
	}
	if err == nil {
		r.done = append(r.done, a.Address)
	}
	return err
}

// fetch unpacks the artifacts, each where its strategy wants it.
func (r *running) fetch(ctx context.Context) error {
	for _, part := range r.Parts {
		if !isStored(part) {
			continue
		}
		if err := r.stages.add(part.Artifact.Address, r.stageOf(part), part.stageMode(r.ID)); err != nil {
			return problem.Wrap(err, "the backup cannot be unpacked beside the target", "run as a user who may write there, or choose another target")
		}
	}
	whole := map[string]string{}
	for _, part := range r.Parts {
		a := part.Artifact
		dir, ok := r.stages.dirs[a.Address]
		switch {
		case !ok:
		case len(a.Only) == 0:
			whole[a.Address] = dir
		default:
			if err := FetchPaths(ctx, r.Archive, r.ID, a, dir); err != nil {
				return err
			}
		}
	}
	if len(whole) == 0 {
		return nil
	}
	_, err := r.Archive.Fetch(ctx, r.ID, func(a providers.Artifact) string { return whole[a.Address] })
	return err
}

// FetchPaths unpacks what is wanted of an artifact.
func FetchPaths(ctx context.Context, archive providers.Archiver, b providers.BackupID, a providers.Artifact, dir string) error {
	f, ok := providers.As[providers.PathFetcher](archive)
	if !ok {
		return problem.New("single paths cannot be restored", "the archive brings back whole parts only", "restore the whole home elsewhere with --home, or --from another archive")
	}
	return f.FetchPaths(ctx, b, a.Address, dir, a.Only)
}

// Source is an archive that may hold a backup.
type Source struct {
	Address  string
	Archiver providers.Archiver
}

// Find looks for a backup in archives: the first that has all parts of it, else
// the first that has any. The error wraps providers.ErrNotFound when none has.
func Find(ctx context.Context, id providers.BackupID, sources []Source) (providers.Manifest, Source, error) {
	var all error
	var some *Source
	var part providers.Manifest
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
			switch {
			case m.ID != id:
			case lacks(m, s.Address):
				if some == nil {
					some, part = &s, m
				}
			default:
				return m, s, nil
			}
		}
	}
	if some != nil {
		return part, *some, nil
	}
	return providers.Manifest{}, Source{}, errors.Join(fmt.Errorf("%w: %s", providers.ErrNotFound, id), all)
}

// lacks reports whether an archive's manifest describes a part that the archive does
// not have, such as a dump where only snapshots are kept.
func lacks(m providers.Manifest, archive string) bool {
	stored, _ := m.In(archive)
	return slices.ContainsFunc(m.Artifacts, func(a providers.Artifact) bool {
		_, ok := stored.Copy(a.Address)
		return a.Life == providers.Staged && !ok
	})
}
