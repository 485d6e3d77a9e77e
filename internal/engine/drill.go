package engine

import (
	"cmp"
	"context"
	"runtime"
	"strings"

	"bkp/internal/engine/drill"
	"bkp/internal/engine/remote"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/lang"
	"bkp/providers"
)

// DrillRequest says how to restore a backup on trial.
type DrillRequest struct {
	ID providers.BackupID
	// Scratch is the folder to make the scratch folder in, "" for the usual one.
	Scratch string
	// Sample is how many repositories git reads, 0 for all.
	Sample int
	// NoDatabase leaves the database out; then nothing counts as proven.
	NoDatabase bool
}

// Drill restores the backup on trial and records what that proved. What differs is
// in the result.
func (eng *Engine) Drill(ctx context.Context, r DrillRequest, sink event.Sink) (result catalog.Drill, err error) {
	if i, ok := eng.Config.Instance(r.ID.Instance()); ok {
		w := eng.watch(ctx, i, providers.OfDrill, nil, eng.warnOf)
		w.run = r.ID
		defer func() { w.end(ctx, unproven(result, err)) }()
		sink = w.beside(sink)
	}
	return eng.drill(ctx, r, sink)
}

// unproven is why a drill proved nothing, nil if it did all it was asked for.
func unproven(d catalog.Drill, err error) error {
	switch {
	case err != nil:
		return err
	case len(d.Differences) > 0:
		return problem.New("the drill failed", string(d.Backup)+"\n"+strings.Join(d.Differences, "\n"),
			"check whether the live instance has the same faults: then the backup only reproduces them")
	case len(d.NotImitated) > 0:
		return problem.New("the drill proved nothing", string(d.Backup)+"\n"+strings.Join(d.NotImitated, "\n"), "fix each of these, then run the drill again")
	}
	return nil
}

func (eng *Engine) drill(ctx context.Context, r DrillRequest, sink event.Sink) (catalog.Drill, error) {
	p, m, o, err := eng.planRestore(ctx, RestoreRequest{ID: r.ID}, sink)
	if err != nil {
		return catalog.Drill{}, err
	}
	defer o.close()
	archive := p.Archive
	for i := range p.Parts { // on this machine, wherever the part was captured
		p.Parts[i].Strategy = remote.Elsewhere(p.Parts[i].Strategy)
		if p.Parts[i].Restorer, err = p.Parts[i].Strategy.Restorer(""); err != nil {
			return catalog.Drill{}, err
		}
	}
	result, err := drill.Run(ctx, drill.Request{
		Plan: p, URL: m.URL, Parent: cmp.Or(r.Scratch, drill.DefaultParent()), StateDir: eng.Config.StateDir, Records: eng.Catalog(), Sample: r.Sample,
		NoDatabase: r.NoDatabase, Tool: eng.Version, Workers: runtime.NumCPU(), Host: &host.Host{}, Sink: sink,
	})
	if err == nil && archive != nil {
		err = eng.proveKeys(ctx, result, archive, sink)
	}
	return result, interruptedBy(ctx, err)
}

// CleanDrill removes what a drill left that was killed, and returns its folder,
// "" if there is nothing.
func (eng *Engine) CleanDrill() (string, error) {
	return drill.Clean(eng.Catalog(), eng.Config.StateDir)
}

// DrillOf is the last drill of a backup. A record that cannot be read is reported
// of, and is none.
func (eng *Engine) DrillOf(id providers.BackupID) *catalog.Drill {
	d, err := eng.Catalog().Drill(id)
	if err != nil {
		eng.warn(err.Error(), "remove the file, and run the drill again")
	}
	return d
}

// LastProven is the newest proof of an instance.
func (eng *Engine) LastProven(i *lang.Instance) *catalog.Drill {
	d, err := eng.Catalog().LastProven(i.Name, i.URL)
	if err != nil {
		eng.warnOfDrill(err)
	}
	return d
}

func (eng *Engine) warnOfDrill(err error) {
	eng.warn(err.Error(), "remove the file, and run the drill again")
}
