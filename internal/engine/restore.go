package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/internal/engine/remote"
	"bkp/internal/engine/restore"
	"bkp/internal/engine/stage"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/lang"
	"bkp/providers"
)

// RestoreRequest says what to restore, and where.
type RestoreRequest struct {
	ID providers.BackupID
	// Home is a folder and Database a name to restore to, "" for the configured ones.
	Home, Database string
	// To has where else a component goes, by its address: a folder, or the name of a
	// database.
	To map[string]string
	// Targets are the addresses of the components to restore; none are all.
	Targets []string
	// Paths are all that is wanted of the home, or of the one home or Mesh node among
	// Targets: relative to it, or as they were when it was captured. None are all.
	Paths []string
	// From is the address of the archive to restore from, "" for the first that has
	// all parts.
	From string
}

// RestorePlan is a restore that was checked. Close it.
type RestorePlan struct {
	// File is the plan as it is shown and saved.
	File plan.File

	steps  restore.Plan
	opened *opened
}

// Close releases what was opened for the restore. It may be called twice.
func (p *RestorePlan) Close() { p.opened.close() }

// PlanRestore finds the backup and checks that it can be restored; findings are
// shown. It changes nothing.
func (eng *Engine) PlanRestore(ctx context.Context, r RestoreRequest, sink event.Sink) (*RestorePlan, error) {
	steps, m, o, err := eng.planRestore(ctx, r, sink)
	if err != nil {
		return nil, err
	}
	p := &RestorePlan{steps: steps, opened: o}
	if err := eng.checkRestore(ctx, p, r, m); err != nil {
		p.Close()
		return nil, interruptedBy(ctx, err)
	}
	return p, nil
}

func (eng *Engine) checkRestore(ctx context.Context, p *RestorePlan, r RestoreRequest, m providers.Manifest) error {
	checked, err := restore.Check(ctx, &p.steps)
	if err != nil {
		return err
	}
	var findings []planner.Finding
	for _, f := range checked.Findings {
		findings = append(findings, planner.Finding{Address: f.Address, Problem: f.Problem})
	}
	belongs := r.ID.Instance()
	if len(r.Paths) > 0 {
		belongs = "" // a part of a home belongs to no place
	}
	absent := p.opened.instance.Absent
	if len(r.Paths) > 0 {
		absent = nil // nobody expects more than the paths
	}
	misplaced, err := eng.misplaced(ctx, p.opened.opener, r.folders(p.opened.instance, p.steps.Parts), belongs)
	if err != nil {
		return err
	}
	findings = append(findings, misplaced...)
	p.File = eng.planFile()
	p.File.Plans = []plan.Plan{{
		Instance: m.Instance, Address: p.opened.instance.Address, URL: m.URL, Version: m.BitbucketVersion,
		Facts: checked.Facts, Warnings: planner.Warnings(findings), Absent: absent, After: p.steps.Nodes(),
		Restore: &plan.Restore{Backup: string(r.ID), Captured: m.Created, Home: r.Home, Database: r.Database, To: r.To, Targets: r.Targets, Paths: r.Paths, From: r.From, Elsewhere: r.elsewhere(p.opened.instance, p.steps.Parts)},
	}}
	checked.Facts[string(r.ID)] = identity(m, p.steps)
	return eng.found(findings)
}

// identity is what a plan of a restore identifies the backup by.
func identity(m providers.Manifest, p restore.Plan) map[string]string {
	out := map[string]string{"archive": p.ArchiveAddress, "location": p.Location}
	s, _ := m.In(p.ArchiveAddress)
	for _, part := range p.Parts {
		if c, ok := s.Copy(part.Artifact.Address); ok {
			out["sha256 of "+part.Artifact.Address] = c.Digest()
		}
	}
	return out
}

// RestoreHolds plans the restore of a saved plan anew, and refuses it as stale if
// what it rests on has changed.
func (eng *Engine) RestoreHolds(ctx context.Context, saved plan.File, sink event.Sink) (*RestorePlan, error) {
	if len(saved.Plans) != 1 || saved.Plans[0].Restore == nil {
		return nil, problem.Usage(problem.New("not a plan of a restore", "it is the plan of a backup", "carry it out with:\n\n    bkp apply FILE"))
	}
	r := saved.Plans[0].Restore
	id, err := providers.ParseBackupID(r.Backup)
	if err != nil {
		return nil, err
	}
	p, err := eng.PlanRestore(ctx, RestoreRequest{ID: id, Home: r.Home, Database: r.Database, To: r.To, Targets: r.Targets, Paths: r.Paths, From: r.From}, sink)
	if err != nil {
		return nil, err
	}
	if changes := plan.Stale(saved, p.File); len(changes) > 0 {
		p.Close()
		return nil, stale(changes, fmt.Sprintf("make a new plan and read it:\n\n    bkp restore %s --out FILE", id))
	}
	return p, nil
}

// Restore carries out a plan. The caller holds the run lock.
func (eng *Engine) Restore(ctx context.Context, p *RestorePlan, sink event.Sink) error {
	p.steps.Tidy = p.opened.opener.tidy
	if err := restore.Run(ctx, eng.Hurry, p.steps, sink); err != nil {
		return interruptedBy(ctx, err)
	}
	message := fmt.Sprintf("restored %s", p.steps.ID)
	if paths := p.File.Plans[0].Restore.Paths; len(paths) > 0 {
		message = fmt.Sprintf("restored %s of %s", problem.Counted(len(paths), "path"), p.steps.ID)
	}
	switch inst := p.opened.instance; {
	case p.File.Plans[0].Restore.Elsewhere:
	case p.restoresNode():
		message += "; start the Mesh nodes, then Bitbucket, then wait until their replicas agree: bkp verify --mesh " + inst.Name
	default:
		message += "; start Bitbucket when you are ready"
	}
	sink.Emit(event.Event{Time: time.Now(), Kind: event.Summary, Backup: string(p.steps.ID), Message: message})
	return nil
}

// restoresNode reports whether a Mesh node is among what is restored.
func (p *RestorePlan) restoresNode() bool {
	nodes := p.opened.nodes()
	return slices.ContainsFunc(p.steps.Parts, func(part restore.Part) bool { return slices.Contains(nodes, part.Artifact.Address) })
}

// CleanRestore removes what a restore left that was killed, on all machines. The caller
// holds the run lock.
func (eng *Engine) CleanRestore(ctx context.Context) error {
	id, err := restore.Clean(eng.Config.StateDir, func(t stage.There) error { return eng.tidyThere(ctx, t) })
	if err == nil && id != "" {
		eng.note("a restore of %s was interrupted; what it had unpacked was removed, what it had restored is still there", id)
	}
	return err
}

// planRestore finds the backup and the strategies that bring it back.
func (eng *Engine) planRestore(ctx context.Context, r RestoreRequest, sink event.Sink) (restore.Plan, providers.Manifest, *opened, error) {
	id := r.ID
	inst, ok := eng.Config.Instance(id.Instance())
	if !ok {
		return restore.Plan{}, providers.Manifest{}, nil, problem.New("no such instance", fmt.Sprintf("the configuration has no instance %q, which %s is a backup of", id.Instance(), id),
			"add the instance, or restore with the configuration that made the backup")
	}
	targets, err := r.components(inst)
	if err != nil {
		return restore.Plan{}, providers.Manifest{}, nil, err
	}
	o, err := eng.open(inst, sink, 0)
	if err != nil {
		return restore.Plan{}, providers.Manifest{}, nil, err
	}
	if err := eng.usesIdentities(ctx, o); err != nil {
		return restore.Plan{}, providers.Manifest{}, o, err
	}
	m, p, err := eng.locate(ctx, id, o, r.From)
	if err != nil {
		return p, m, o, err
	}
	if err := r.known(m); err != nil {
		return p, m, o, err
	}
	held, _ := m.In(p.ArchiveAddress)
	for _, a := range m.Artifacts {
		if len(targets) > 0 && !slices.Contains(targets, a.Address) {
			continue
		}
		part, err := r.part(inst, o, a)
		if err != nil {
			return p, m, o, err
		}
		part.WorkDir = eng.workDir(inst, a.Address)
		if c, ok := held.Copy(a.Address); ok {
			part.Copy, part.Artifact.Copied = &c, true
		}
		if err := r.selects(&part, p.Archive); err != nil {
			return p, m, o, err
		}
		part.Direct = part.Copy != nil && eng.direct(inst, id, part, p)
		p.Parts = append(p.Parts, part)
	}
	inside := !slices.ContainsFunc(p.Parts, func(part restore.Part) bool { return part.Artifact.Life != providers.Contained })
	if len(p.Parts) > 0 && inside {
		return p, m, o, problem.Usagef("%s is inside the home: restore the home", strings.Join(r.Targets, ", "))
	}
	if isCopy := func(part restore.Part) bool { return part.Copy != nil }; slices.ContainsFunc(p.Parts, isCopy) {
		if err := decrypts(ctx, id, p.Archive); err != nil {
			return p, m, o, err
		}
	}
	if len(p.Parts) == 0 {
		return p, m, o, problem.New("nothing to restore", fmt.Sprintf("backup %s holds nothing", id), "choose another one:\n\n    bkp list")
	}
	return p, m, o, nil
}

// direct reports whether the copy of a part goes straight to the machine on which it is
// restored, and not through a folder of this one.
func (eng *Engine) direct(inst *lang.Instance, id providers.BackupID, part restore.Part, p restore.Plan) bool {
	c, ok := eng.Config.Component(p.ArchiveAddress)
	return ok && remote.Direct(part.Restorer, remote.Source{Archive: eng.abroad(inst, c), Archiver: p.Archive, Backup: id, Part: *part.Copy, Paths: len(part.Artifact.Only) > 0})
}

// target is where a component goes, "" for its configured place.
func (r RestoreRequest) target(inst *lang.Instance, address string) string {
	switch {
	case r.To[address] != "":
		return r.To[address]
	case address == inst.Home.Address:
		return r.Home
	case address == inst.Database.Address:
		return r.Database
	}
	return ""
}

// folders are the folders that were given for parts which are folders, by their
// addresses.
func (r RestoreRequest) folders(inst *lang.Instance, parts []restore.Part) []destination {
	var out []destination
	for _, p := range parts {
		_, path := machineOf(r.target(inst, p.Artifact.Address))
		if path != "" && isFolder(p.Strategy) {
			out = append(out, destination{p.Artifact.Address, p.On, path})
		}
	}
	slices.SortFunc(out, func(a, b destination) int { return strings.Compare(a.address, b.address) })
	return out
}

// isFolder reports whether what a strategy restores is a folder.
func isFolder(s providers.Strategy) bool {
	r, err := remote.Elsewhere(s).Restorer("")
	if err != nil {
		return false
	}
	_, is := providers.As[providers.RepositoryHolder](r)
	return is
}

// elsewhere reports whether every part goes to another place than the configured
// one. Parts within another one go where that goes.
func (r RestoreRequest) elsewhere(inst *lang.Instance, parts []restore.Part) bool {
	return !slices.ContainsFunc(parts, func(p restore.Part) bool {
		if p.Artifact.Life == providers.Contained || p.Artifact.Life == providers.External {
			return false
		}
		return r.target(inst, p.Artifact.Address) == ""
	})
}

// known refuses a target that the backup does not hold.
func (r RestoreRequest) known(m providers.Manifest) error {
	var held []string
	for _, a := range m.Artifacts {
		held = append(held, a.Address)
	}
	for _, t := range slices.Concat(r.Targets, slices.Sorted(maps.Keys(r.To))) {
		if !slices.Contains(held, t) && len(held) > 0 {
			return unknown("component", t, held)
		}
	}
	return nil
}

// part is a with what restores it to its target.
func (r RestoreRequest) part(inst *lang.Instance, o *opened, a providers.Artifact) (restore.Part, error) {
	st, ok := o.strategies[a.Address]
	if !ok {
		return restore.Part{}, problem.New("no such component", fmt.Sprintf("the backup holds %s, which the instance does not have", a.Address),
			"restore with the configuration that made the backup, or leave it out with --target")
	}
	place := r.target(inst, a.Address)
	if namesNoPlace(place) {
		return restore.Part{}, problem.Usagef("%s names a machine, but no folder or database there: write %s:/srv/home", place, strings.TrimSuffix(place, ":"))
	}
	on, target := machineOf(place)
	if on == "" && a.Life == providers.Contained { // it goes where the home does
		on, _ = machineOf(r.target(inst, inst.Home.Address))
	}
	runs := o.opener.place(a.Address)
	if on != "" && on != runs {
		var err error
		if st, err = o.opener.restoredOn(a.Address, on); err != nil {
			return restore.Part{}, err
		}
		runs = on
	}
	to, err := st.Restorer(target)
	if errors.Is(err, providers.ErrElsewhere) {
		err = problem.Usagef("%v", err)
	}
	return restore.Part{Artifact: a, Restorer: to, Strategy: st, On: runs}, err
}
