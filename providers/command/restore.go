package command

import (
	"context"

	"bkp/internal/problem"
	"bkp/providers"
)

// Back is the way back of a component whose restore is a command alone.
type Back struct {
	providers.BaseRestorer
	Part   *Part
	Target string
}

// Check implements providers.Restorer.
func (b *Back) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	var r providers.Report
	return r, b.Part.CheckBack(ctx, &r, a, b.Target)
}

// Restore implements providers.Restorer. That the target is empty, and left as it
// was after a failure, is the command's to see to.
func (b *Back) Restore(ctx context.Context, a providers.Artifact) error {
	return b.Part.BringBack(ctx, a, b.Target, nil)
}

// InStorage reports whether an artifact can only be brought back from where the
// storage keeps it: no archive has its trees.
func InStorage(a providers.Artifact) bool { return len(a.Trees) == 0 && !a.Copied }

// CheckBack adds to r what restore of a will run, and what keeps it from working.
func (p *Part) CheckBack(ctx context.Context, r *providers.Report, a providers.Artifact, target string) error {
	if r.Does == nil {
		r.Does = map[providers.Verb]string{}
	}
	r.Does[providers.Restore] = joined(p.runs(Restore), r.Does[providers.Restore])
	if !p.Commands.Has(Restore) {
		r.Add(p.noRestore())
		return nil
	}
	p.checkCommand(r, Restore)
	if InStorage(a) && p.Commands.Keeps() {
		there, err := p.has(ctx, Backup(a))
		if err != nil {
			return err
		}
		if !there {
			r.Add(lost(p.Env.Address, Backup(a), "choose another backup, or restore from another archive"))
		}
	}
	if r.Failed() {
		return nil
	}
	q := about(a)
	q.Target = target
	answer, err := p.ask(ctx, CheckRestore, q)
	for _, f := range answer.Findings {
		r.Add(&problem.Problem{Severity: f.Severity, Summary: f.Summary, Detail: f.Detail, Remedy: f.Remedy})
	}
	if answer.Facts != nil {
		r.Facts = answer.Facts
	}
	return err
}

func (p *Part) noRestore() *problem.Problem {
	return problem.New("no command to restore with", p.Env.Address+" has no block restore", "add one, or bring the state back by hand")
}

// BringBack runs restore. into are folders that it has to fill, for a home.
func (p *Part) BringBack(ctx context.Context, a providers.Artifact, target string, into []Tree) error {
	if !p.Commands.Has(Restore) {
		return p.noRestore()
	}
	q := about(a)
	q.Target, q.Into = target, into
	_, err := p.ask(ctx, Restore, q)
	return err
}
