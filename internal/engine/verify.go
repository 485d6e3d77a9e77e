package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/internal/engine/walk"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/providers"
)

// Verify reads the backup in every archive that should hold it, and returns in
// how many it is good. None is an error, unless a drill is to follow. All damage is
// one error, which names each fault, unless fault is there to be given them.
func (eng *Engine) Verify(ctx context.Context, id providers.BackupID, drill bool, sink event.Sink, fault func(address string, f providers.Finding)) (good int, err error) {
	inst, ok := eng.Config.Instance(id.Instance())
	if !ok {
		return 0, problem.New("no such instance", fmt.Sprintf("the configuration has no instance %q", id.Instance()), "verify with the configuration that made the backup")
	}
	of := providers.OfVerify
	if drill {
		of = providers.OfDrill
	}
	w := eng.watchEnd(ctx, inst, of, eng.warnOf)
	w.run = id
	defer func() {
		if drill && err == nil {
			w.leave() // the drill that follows says how it ended
			return
		}
		w.end(ctx, err)
	}()
	o, err := eng.open(inst, w.beside(sink), 0)
	if err != nil {
		return 0, err
	}
	defer o.close()
	good, err = eng.verify(ctx, id, drill, o, w.beside(sink), fault)
	return good, interruptedBy(ctx, err)
}

func (eng *Engine) verify(ctx context.Context, id providers.BackupID, drill bool, o *opened, sink event.Sink, fault func(address string, f providers.Finding)) (good int, err error) {
	if err := eng.usesIdentities(ctx, o); err != nil {
		return 0, err
	}
	known := eng.storedAt(id)
	checked := 0
	var damaged []string
	remedies := map[string]bool{}
	for _, a := range o.shelves() {
		findings, err := verifyIn(ctx, id, a, known, sink)
		if errors.Is(err, providers.ErrNotFound) && !known[a.Address] {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", a.Address, err)
		}
		checked++
		findings = append(findings, eng.replaced(ctx, id, a)...)
		damage := eng.faults(a.Address, findings, fault)
		for _, f := range findings {
			remedies[f.Remedy] = true
		}
		for _, text := range damage {
			damaged = append(damaged, a.Address+": "+text)
		}
		if err := eng.Catalog().Verified(id, a.Address, damage, time.Now()); err != nil {
			eng.warn("the result of the verification was not recorded: "+err.Error(), "let the user that runs bkp write the state folder")
		}
		if !slices.ContainsFunc(findings, speaksAgainst) {
			good++
		}
	}
	switch {
	case checked == 0:
		return 0, fmt.Errorf("%w: no archive holds %s", providers.ErrNotFound, id)
	case len(damaged) > 0:
		detail := fmt.Sprintf("%s\n%s", id, strings.Join(damaged, "\n"))
		if fault != nil {
			detail = fmt.Sprintf("%s, faults: %d", id, len(damaged))
		}
		return 0, isDamaged(detail, remedies)
	case good == 0 && !drill:
		return 0, problem.New("the backup cannot be verified", fmt.Sprintf("%s has no checksums", id), "declare an archive: what it keeps has checksums. Or check whether this backup can be restored:\n\n    bkp verify --drill "+string(id))
	}
	return good, nil
}

// verifyIn reads the backup in one archive, as a step of its own if that should have it.
func verifyIn(ctx context.Context, id providers.BackupID, a planner.Archive, known map[string]bool, sink event.Sink) (findings []providers.Finding, err error) {
	verify := func() (err error) {
		findings, err = a.Archiver.Verify(ctx, id)
		return err
	}
	if !known[a.Address] && !lists(ctx, a, id) {
		err = verify()
		return findings, err
	}
	n := plan.NewNode(plan.Verify, a.Address, "read all of it, and compare it with its checksums")
	err = walk.Step(sink, n, verify)
	return findings, err
}

// lists reports whether the archive knows the backup.
func lists(ctx context.Context, a planner.Archive, id providers.BackupID) bool {
	list, _, _ := a.Archiver.List(ctx) // what cannot be read is reported by Verify
	return slices.ContainsFunc(list, func(m providers.Manifest) bool { return m.ID == id })
}

// speaksAgainst reports whether after a finding an archive does not count as good:
// damage, or that it has no digests. One that cannot be decrypted here is as it was
// written, and so is one that was read beside others that are damaged.
func speaksAgainst(f providers.Finding) bool {
	return f.Severity != problem.Warning || !slices.Contains([]string{providers.NotDecrypted, providers.Unencrypted, providers.OthersDamaged}, f.Summary)
}

// isDamaged is one error for all damage of a backup. Its remedy is that of the
// faults if they have the same.
func isDamaged(detail string, remedies map[string]bool) error {
	remedy := "restore another backup if you need to, and check the disk for errors"
	if len(remedies) == 1 {
		for remedy = range remedies {
		}
	}
	return problem.New("the backup is damaged", detail, remedy)
}

// replaced finds an archive that is whole in itself, and is not the one that
// the catalog knows. What cannot be read was reported by Verify.
func (eng *Engine) replaced(ctx context.Context, id providers.BackupID, a planner.Archive) []providers.Finding {
	list, _, _ := a.Archiver.List(ctx)
	for _, m := range list {
		var p *problem.Problem
		if m.ID == id && errors.As(eng.changed(m, a.Address), &p) {
			return []providers.Finding{*p}
		}
	}
	return nil
}

// faults hands on what was found, and returns the damage, a sentence each.
func (eng *Engine) faults(address string, findings []providers.Finding, fault func(address string, f providers.Finding)) (damage []string) {
	for _, f := range findings {
		if f.Severity == problem.Warning {
			eng.warn(address+": "+f.Summary+": "+f.Detail, f.Remedy)
			continue
		}
		damage = append(damage, f.Summary+": "+f.Detail)
		if fault != nil {
			fault(address, f)
		}
	}
	return damage
}

// storedAt are the archives that the catalog says hold the backup: one of them
// having lost it is damage.
func (eng *Engine) storedAt(id providers.BackupID) map[string]bool {
	out := map[string]bool{}
	if e, err := eng.Catalog().Get(id); err == nil {
		for _, st := range e.Manifest.Stored {
			out[st.Archive] = true
		}
	}
	return out
}
