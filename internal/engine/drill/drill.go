package drill

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"bkp/internal/engine/restore"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// Request is what to prove.
type Request struct {
	// Plan is how the backup would be restored to where it came from. Its parts
	// are led elsewhere; no target of theirs is touched.
	Plan restore.Plan
	// URL is the base URL of the instance that was backed up.
	URL string
	// Parent is where the scratch folder is made, StateDir where it is recorded.
	Parent, StateDir string
	// Records is where the result is recorded.
	Records catalog.Catalog
	// Sample is how many repositories git reads; 0 for all.
	Sample int
	// NoDatabase leaves the database out: then nothing is proven of the backup
	// as a whole.
	NoDatabase bool
	// Tool is the version of bkp.
	Tool string
	// Workers is how many repositories are read at a time.
	Workers int
	Host    *host.Host
	Sink    event.Sink
}

// drill is one that is under way.
type drill struct {
	Request
	home, database *restore.Part
	folder         *folder
	rehearsal      providers.Rehearsal
	// parts are those of the plan, led to the scratch folder and server.
	parts  []restore.Part
	holder providers.RepositoryHolder
	nodes  []node
	result catalog.Drill
	// second: this trial follows one that did not come to its end.
	second bool
}

var (
	// errNotRestored is wrapped by what a restore on trial failed with.
	errNotRestored = errors.New("it cannot be restored")
	// errNotAnswered is wrapped by what the restored database answered with when
	// it was asked for the first time.
	errNotAnswered = errors.New("the restored database cannot be read")
)

// Run restores the backup, compares, removes everything again, and records the
// result. What is wrong with the backup stands in the result; the error is for a
// drill that could not be carried out to its end, which proves nothing either
// way, and is not recorded.
//
// A trial that fails is made again from the start: what kept it may have been
// a server that crashed or a tool that was killed, and what counts against the
// backup is reported to somebody who then relies on another one.
func Run(ctx context.Context, r Request) (result catalog.Drill, err error) {
	if r.Parent, err = filepath.Abs(r.Parent); err != nil {
		return result, err
	}
	d := newDrill(r)
	if err := d.sort(); err != nil {
		return d.result, err
	}
	if err := d.check(ctx); err != nil {
		return d.result, err
	}
	d.sayDerived()
	lock, err := lockState(r.StateDir)
	if err != nil {
		return d.result, err
	}
	defer func() { _ = lock.Unlock() }() // the end of the process does so, too
	if err := r.Records.CleanDrills(); err != nil {
		return d.result, err
	}
	err, left := d.trial(ctx)
	if (errors.Is(err, errNotRestored) || errors.Is(err, errNotAnswered)) && !host.IsFull(err) {
		r.Sink.Emit(event.Event{Time: time.Now(), Kind: event.Warning, Message: "the backup is restored once more, from the start: " + err.Error()})
		d = newDrill(r)
		d.second = true
		if err = d.sort(); err == nil {
			err, left = d.trial(ctx)
		}
	}
	switch {
	case errors.Is(err, errNotRestored) && !host.IsTrouble(err):
		d.failed(err)
	case errors.Is(err, errNotRestored):
		return d.result, errors.Join(notCarriedOut(err), left)
	case err != nil:
		return d.result, errors.Join(err, left)
	case left != nil && len(d.result.Differences) == 0: // not proven: a server that ends badly may have done worse before
		return d.result, left
	}
	d.result.Duration = time.Since(d.result.At)
	d.result.Proven = len(d.result.Differences) == 0 && len(d.result.NotImitated) == 0 && d.result.Database != catalog.DatabaseLeftOut
	return d.result, errors.Join(d.record(), left)
}

// notCarriedOut says that err does not count against the backup.
func notCarriedOut(err error) error {
	return problem.Wrap(err, "the drill could not be carried out", "fix this machine, then run the drill again; this drill does not count for or against the backup")
}

func newDrill(r Request) *drill {
	return &drill{Request: r, result: catalog.Drill{Backup: r.Plan.ID, URL: r.URL, At: time.Now().UTC(), Tool: r.Tool, Archive: r.Plan.ArchiveAddress}}
}

// trial restores and compares in a scratch folder, which it removes. What it
// could not remove is a separate error: it is not about the backup, and nothing
// excuses it.
func (d *drill) trial(ctx context.Context) (err, left error) {
	if d.folder, err = makeFolder(d.StateDir, d.Parent, d.Plan.ID); err != nil {
		return err, nil
	}
	defer func() { left = errors.Join(left, d.folder.remove()) }()
	if err := d.begin(ctx); err != nil {
		return err, nil
	}
	if d.rehearsal != nil {
		defer func() { left = d.rehearsal.Close() }()
	}
	err = d.prove(ctx)
	if d.rehearsal != nil {
		d.result.NotImitated = d.rehearsal.NotImitated()
	}
	return err, nil
}

// failed notes a restore that failed. What was not imitated may be the reason:
// then it does not count against the backup, and proves nothing either.
func (d *drill) failed(err error) {
	if len(d.result.NotImitated) > 0 {
		d.result.NotImitated = append(d.result.NotImitated, fmt.Sprintf("the restore on trial failed, perhaps for that reason: %v", err))
		return
	}
	d.differ("%v", err)
}

// record records the result, unless it is not about the backup as a whole.
func (d *drill) record() error {
	if d.result.Database == catalog.DatabaseLeftOut && len(d.result.Differences) == 0 { // without a database all is imitated
		return nil
	}
	if err := d.Records.PutDrill(d.result); err != nil {
		return problem.Wrap(err, "the drill cannot be recorded", "let the user that runs bkp write the state folder")
	}
	return nil
}

// isDerived reports whether Bitbucket makes the state again; see providers.Derived.
func isDerived(s providers.Strategy) bool {
	_, ok := providers.As[providers.Derived](s)
	return ok
}

// sayDerived shows which parts of the backup the drill does not read.
func (d *drill) sayDerived() {
	for _, p := range d.Plan.Parts {
		if s, ok := providers.As[providers.Derived](p.Strategy); ok && p.Artifact.Life != providers.External {
			d.Sink.Emit(event.Event{Time: time.Now(), Kind: event.Warning, Address: p.Artifact.Address, Message: "not part of the drill: " + s.Derived()})
		}
	}
}

// sort finds the home and the database among the parts. A part is one of them,
// or somebody else backs it up: nothing is passed over in silence.
func (d *drill) sort() error {
	d.result.Database = catalog.DatabaseNone
	for i := range d.Plan.Parts {
		p := &d.Plan.Parts[i]
		_, rehearses := providers.As[providers.Rehearser](p.Strategy)
		_, isHome := providers.As[providers.RepositoryHolder](p.Restorer)
		switch {
		case p.Artifact.Life == providers.External, isDerived(p.Strategy):
		case d.NoDatabase && !isHome:
			d.result.Database = catalog.DatabaseLeftOut
		case rehearses && d.database == nil:
			d.database = p
			d.result.Database = catalog.DatabaseNotRestored
		case isHome && providers.IsMeshNode(p.Artifact.Address):
			d.nodes = append(d.nodes, node{part: p})
		case isHome && d.home == nil:
			d.home = p
		default:
			return problem.New("component does not support a drill", p.Artifact.Address,
				"leave a database out with --no-database, and restore it by hand:\n\n    bkp restore "+string(d.Plan.ID))
		}
	}
	if d.home == nil && d.database == nil && len(d.nodes) == 0 {
		return problem.New("nothing to restore", fmt.Sprintf("backup %s holds nothing that a drill could restore", d.Plan.ID), "choose another one:\n\n    bkp list")
	}
	return nil
}

// begin leads the parts to the scratch folder, and starts the server: what is
// missing for that is reported before anything is unpacked.
func (d *drill) begin(ctx context.Context) error {
	if d.home != nil {
		to, err := d.home.Strategy.Restorer(d.folder.home())
		if err != nil {
			return err
		}
		d.holder, _ = providers.As[providers.RepositoryHolder](to)
		d.parts = append(d.parts, restore.Part{Artifact: d.home.Artifact, Copy: d.home.Copy, Restorer: to, WorkDir: d.folder.work(), Does: "restore into " + d.folder.home()})
	}
	if err := d.beginNodes(); err != nil {
		return err
	}
	if d.database == nil {
		return nil
	}
	r, _ := providers.As[providers.Rehearser](d.database.Strategy)
	place := providers.Place{Dir: d.folder.server(), Home: d.folder.home()}
	var err error
	d.rehearsal, err = r.Rehearse(ctx, d.database.Artifact, place)
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	d.parts = append(d.parts, restore.Part{
		Artifact: d.database.Artifact, Copy: d.database.Copy, Restorer: d.rehearsal.Restorer(), WorkDir: filepath.Join(d.folder.work(), "database"), Does: "restore on trial",
	})
	return nil
}

// prove restores and compares.
func (d *drill) prove(ctx context.Context) error {
	p := d.Plan
	p.Parts, p.StateDir = d.parts, "" // the record of the drill names all of it
	if err := restore.Run(ctx, context.WithoutCancel(ctx), p, d.Sink); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: %w", errNotRestored, err)
	}
	return d.compare(ctx)
}

func (d *drill) tolerate(format string, args ...any) {
	d.result.Tolerated = append(d.result.Tolerated, fmt.Sprintf(format, args...))
}

func (d *drill) differ(format string, args ...any) {
	d.result.Differences = append(d.result.Differences, fmt.Sprintf(format, args...))
}
