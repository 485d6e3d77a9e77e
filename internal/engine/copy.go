package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"bkp/internal/engine/copies"
	"bkp/internal/engine/drill"
	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/internal/engine/restore"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// CopyRequest says which backup to copy to which archive.
type CopyRequest struct {
	ID providers.BackupID
	// To is the address of an archive of the instance, From that of one that has
	// the backup, "" for the first that does.
	To, From string
	// Scratch is the folder for what is unpacked, "" for the usual one.
	Scratch string
}

// CopyPlan is a copy that was checked. Close it.
type CopyPlan struct {
	File plan.File

	steps  copies.Plan
	opened *opened
}

// Close releases what was opened. It may be called twice.
func (p *CopyPlan) Close() { p.opened.close() }

// PlanCopy finds the backup and checks that it can be copied; findings are shown. It
// changes nothing.
func (eng *Engine) PlanCopy(ctx context.Context, r CopyRequest, sink event.Sink) (*CopyPlan, error) {
	inst, ok := eng.Config.Instance(r.ID.Instance())
	if !ok {
		return nil, problem.New("no such instance", fmt.Sprintf("the configuration has no instance %q", r.ID.Instance()), "use the configuration that made the backup")
	}
	o, err := eng.open(inst, sink, 0)
	if err != nil {
		return nil, err
	}
	p := &CopyPlan{opened: o}
	if err := eng.planCopy(ctx, r, p); err != nil {
		p.Close()
		return nil, interruptedBy(ctx, err)
	}
	return p, nil
}

func (eng *Engine) planCopy(ctx context.Context, r CopyRequest, p *CopyPlan) error {
	if err := eng.usesIdentities(ctx, p.opened); err != nil {
		return err
	}
	to, err := p.opened.named(r.To)
	if err != nil {
		return err
	}
	if err := eng.mounted(ctx, to, p.opened.instance); err != nil {
		return err
	}
	sources := slices.DeleteFunc(eng.sources(r.ID, p.opened), func(s restore.Source) bool {
		return s.Address == r.To || r.From != "" && s.Address != r.From
	})
	if r.From != "" {
		if _, err := p.opened.named(r.From); err != nil {
			return err
		}
	}
	m, from, err := restore.Find(ctx, r.ID, sources)
	if errors.Is(err, providers.ErrNotFound) {
		return problem.Wrap(err, "no archive to copy from", "list the backups, and where they are:\n\n    bkp list --refresh")
	}
	if err == nil {
		err = eng.changed(m, from.Address)
	}
	if err == nil {
		err = decrypts(ctx, r.ID, from.Archiver)
	}
	if err != nil {
		return err
	}
	p.steps = copies.Plan{Manifest: m, From: from, To: restore.Source{Address: to.Address, Archiver: to.Archiver}, Parent: r.Scratch, StateDir: eng.Config.StateDir}
	if p.steps.Parent == "" {
		p.steps.Parent = drill.DefaultParent()
	}
	if fi, err := os.Stat(p.steps.Parent); err != nil || !fi.IsDir() {
		return problem.New("no such folder", p.steps.Parent, "name an existing folder with --scratch")
	}
	found, err := p.steps.Check(ctx)
	if err != nil {
		return err
	}
	var findings []planner.Finding
	for _, f := range found {
		findings = append(findings, planner.Finding{Address: f.Address, Problem: f.Problem})
	}
	p.File = eng.planFile()
	p.File.Plans = []plan.Plan{{
		Instance: m.Instance, Address: p.opened.instance.Address, URL: m.URL, Version: m.BitbucketVersion,
		Warnings: planner.Warnings(findings), After: p.steps.Nodes(),
		Copy: &plan.Copy{Backup: string(r.ID), Captured: m.Created, From: from.Address, To: to.Address},
	}}
	return eng.found(findings)
}

// named finds an archive of the instance that keeps what is stored in it.
func (o *opened) named(address string) (planner.Archive, error) {
	a, ok := o.shelf(address)
	if !ok {
		var known []string
		for _, s := range o.shelves() {
			known = append(known, s.Address)
		}
		return a, problem.New("unknown archive", fmt.Sprintf("%s has no archive %q", o.instance.Address, address),
			"name one of: "+strings.Join(known, ", ")+"; or add it to copies of the instance")
	}
	if a.Archiver.Destination().Name == "" {
		return a, problem.New("the archive holds no copies", address+" leaves what was captured where it is", "name an archive that stores")
	}
	return a, nil
}

// Copy carries out a plan. The caller holds the run lock.
func (eng *Engine) Copy(ctx context.Context, p *CopyPlan, sink event.Sink) error {
	m, to := p.steps.Manifest, p.steps.To.Address
	stored, err := copies.Run(ctx, eng.Hurry, p.steps, sink)
	if err != nil {
		return interruptedBy(ctx, err)
	}
	if err := eng.copied(m, stored); err != nil {
		return err
	}
	sink.Emit(event.Event{
		Time: time.Now(), Kind: event.Summary, Backup: string(m.ID), Details: map[string]any{"stored": stored},
		Message: fmt.Sprintf("copied %s to %s: all checksums match", m.ID, to),
	})
	return nil
}

// copied records where the backup is, too, and that it is whole there.
func (eng *Engine) copied(m providers.Manifest, stored providers.Stored) error {
	e, err := eng.Catalog().Get(m.ID)
	if errors.Is(err, providers.ErrNotFound) {
		e, err = catalog.Entry{Manifest: m, Status: catalog.Complete}, nil
	}
	if err == nil {
		e.Manifest = e.Manifest.With(stored)
		err = eng.Catalog().Put(e)
	}
	if err == nil {
		err = eng.Catalog().Verified(m.ID, stored.Archive, nil, time.Now())
	}
	if err != nil {
		return problem.Wrap(err, "the copy is made, and was not recorded", "fix the cause, then run: bkp list --refresh")
	}
	return nil
}

// CleanCopy removes what a copy left that was killed. The caller holds the run lock.
func (eng *Engine) CleanCopy(ctx context.Context) error {
	id, err := copies.Clean(ctx, eng.Config.StateDir, func(ctx context.Context, archive string, b providers.BackupID) error {
		inst, ok := eng.Config.Instance(b.Instance())
		if !ok {
			return problem.New("no such instance", fmt.Sprintf("a copy of %s was interrupted, and the configuration has no instance %q", b, b.Instance()), "run bkp recover with the configuration that made the copy")
		}
		o, err := eng.open(inst, event.Discard{}, 1)
		if err != nil {
			return err
		}
		defer o.close()
		a, err := o.named(archive)
		if err != nil {
			return err
		}
		return a.Archiver.Discard(ctx, b)
	})
	if err == nil && id != "" {
		eng.note("a copy of %s was interrupted; what it left was cleaned up", id)
	}
	return err
}
