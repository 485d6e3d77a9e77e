// Package copies brings a backup from one archive to another: what the one has is
// unpacked into a scratch folder, stored in the other, and read there to the last
// byte.
//
// It leaves out which archives there are, and the catalog.
package copies

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/restore"
	"bkp/internal/engine/walk"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// Plan is a copy.
type Plan struct {
	// Manifest is that of the archive to copy from.
	Manifest providers.Manifest
	From, To restore.Source
	// Parent is the folder for the scratch folder.
	Parent string
	// StateDir is where it is recorded what a killed copy leaves.
	StateDir string
}

// parts are the artifacts that From has a copy of.
func (p Plan) parts() []providers.Artifact {
	stored, _ := p.Manifest.In(p.From.Address)
	return slices.DeleteFunc(slices.Clone(p.Manifest.Artifacts), func(a providers.Artifact) bool {
		_, ok := stored.Copy(a.Address)
		return !ok
	})
}

// estimate is what To has to store.
func (p Plan) estimate() providers.Estimate {
	var total providers.Estimate
	stored, _ := p.Manifest.In(p.From.Address)
	for _, a := range p.parts() {
		part, _ := stored.Copy(a.Address)
		total = total.Plus(providers.Estimate{Files: part.Files, Bytes: part.Bytes})
	}
	return total
}

// Nodes are the steps of the copy.
func (p Plan) Nodes() []plan.Node {
	stored, _ := p.Manifest.In(p.From.Address)
	fetch := plan.NewNode(plan.Fetch, p.From.Address, fmt.Sprintf("unpack %s below %s", stored.Location, p.Parent))
	store := plan.NewNode(plan.Store, p.To.Address, "store in "+p.To.Archiver.Destination().Name, fetch.ID)
	verify := plan.NewNode(plan.Verify, p.To.Address, "read all of it there, and compare it with its checksums", store.ID)
	return []plan.Node{fetch, store, verify}
}

// Check looks whether the copy can work, and changes nothing.
func (p Plan) Check(ctx context.Context) ([]restore.Finding, error) {
	var out []restore.Finding
	found := func(address string, f providers.Finding) {
		out = append(out, restore.Finding{Address: address, Problem: f})
	}
	whole := p.parts()
	for _, a := range p.Manifest.Artifacts {
		lies := a.Life == providers.Staged || a.Life == providers.Native
		if lies && !slices.ContainsFunc(whole, func(o providers.Artifact) bool { return o.Address == a.Address }) {
			found(p.From.Address, *problem.New("the archive has no copy of a part", fmt.Sprintf("%s of %s is kept elsewhere, such as by its storage as a snapshot", a.Address, p.Manifest.ID),
				"copy from an archive that has all parts, with --from"))
		}
	}
	if os.Geteuid() > 0 {
		found(p.To.Address, *problem.Warn("owners are not copied", "only root may give files to others, and bkp does not run as root", "run bkp as root"))
	}
	report, err := p.checkTo(ctx)
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	if err != nil {
		report.Add(problem.Wrap(err, "the check could not be carried out", problem.Remedy(err)))
	}
	for _, f := range report.Findings {
		found(p.To.Address, f)
	}
	needs := slices.Concat(report.Space, []providers.SpaceNeed{{Path: p.Parent, Bytes: p.estimate().Bytes, For: "unpacking"}})
	return append(out, restore.Enough(needs)...), nil
}

// checkTo looks at the archive to copy to. One that shares blocks would share them with
// what is unpacked.
func (p Plan) checkTo(ctx context.Context) (providers.Report, error) {
	if s, ok := providers.As[providers.Sharer](p.To.Archiver); ok {
		return s.CheckFrom(ctx, []string{p.Parent}, p.estimate())
	}
	return p.To.Archiver.Check(ctx, p.estimate())
}

// Run copies, and returns what To has then. Nothing of the copy is left where it
// fails; what a kill leaves, Clean removes. The caller holds the run lock.
func Run(ctx, patience context.Context, p Plan, sink event.Sink) (providers.Stored, error) {
	r := &running{Plan: p}
	if err := r.begin(ctx); err != nil {
		return providers.Stored{}, err
	}
	err := walk.Nodes(ctx, patience, p.Nodes(), 1, func(ctx context.Context, n plan.Node) error {
		return walk.Step(sink, n, func() error { return r.step(ctx, n) })
	})
	if errors.Is(err, walk.ErrStuck) {
		return r.stored, err // the record stays
	}
	return r.stored, problem.Join(err, r.end(patience))
}

// running is a copy under way.
type running struct {
	Plan
	record record
	stored providers.Stored
	// wasThere is set if the archive had the backup before. A killed copy may have
	// come as far as that.
	wasThere bool
}

// begin takes the id in the archive, and makes the scratch folder.
func (r *running) begin(ctx context.Context) error {
	r.record = newRecord(r.Parent, r.Manifest.ID, r.To.Address)
	if err := r.record.save(r.StateDir); err != nil {
		return problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
	}
	var err error
	r.wasThere, err = holds(ctx, r.To.Archiver, r.Manifest.ID)
	if err == nil && !r.wasThere {
		err = r.To.Archiver.Reserve(ctx, r.Manifest.ID)
	}
	if errors.Is(err, providers.ErrTaken) {
		r.record.Archive = "" // what is somebody else's must stay
		err = problem.Wrap(err, "the backup is being copied or made by somebody else", "wait until that has ended")
	}
	if err == nil {
		err = os.Mkdir(r.record.Path, 0o700)
	}
	if err == nil {
		return nil
	}
	return problem.Join(fmt.Errorf("%s: %w", r.To.Address, err), r.end(ctx))
}

func holds(ctx context.Context, a providers.Archiver, id providers.BackupID) (bool, error) {
	list, _, err := a.List(ctx)
	return slices.ContainsFunc(list, func(m providers.Manifest) bool { return m.ID == id }), err
}

// end removes what the copy needed, and what To has of a copy that failed.
func (r *running) end(ctx context.Context) error {
	var err error
	if r.record.Archive != "" {
		err = walk.Guard(func() error { return r.To.Archiver.Discard(ctx, r.Manifest.ID) })
	}
	if err != nil {
		return fmt.Errorf("%s could not be cleaned up, which bkp recover tries again: %w", r.To.Address, err)
	}
	return r.record.remove(r.StateDir)
}

func (r *running) step(ctx context.Context, n plan.Node) error {
	switch n.Phase {
	case plan.Fetch:
		return r.fetch(ctx)
	case plan.Store:
		return r.store(ctx)
	case plan.Verify:
		if err := r.verify(ctx); err != nil {
			return problem.Join(err, r.To.Archiver.Delete(context.WithoutCancel(ctx), r.Manifest.ID))
		}
		return nil
	default:
		return fmt.Errorf("the plan has a step %q, which this version does not know", n.Phase)
	}
}

// dir is where the artifact of a number is unpacked.
func (r *running) dir(i int) string { return filepath.Join(r.record.Path, strconv.Itoa(i)) }

func (r *running) fetch(ctx context.Context) error {
	dirs := map[string]string{}
	for i, a := range r.parts() {
		dirs[a.Address] = r.dir(i)
		if err := os.Mkdir(r.dir(i), 0o700); err != nil {
			return err
		}
	}
	_, err := r.From.Archiver.Fetch(ctx, r.Manifest.ID, func(a providers.Artifact) string { return dirs[a.Address] })
	if host.IsFull(err) {
		return problem.Wrap(err, "no space left for the copy", "choose a folder with more space with --scratch; this is no damage of the backup")
	}
	return err
}

// unpacked is the manifest with the trees where they were unpacked.
func (r *running) unpacked() providers.Manifest {
	m := r.Manifest
	m.Artifacts = slices.Clone(m.Artifacts)
	for i := range m.Artifacts {
		m.Artifacts[i].Trees = nil
	}
	for i, a := range r.parts() {
		at := slices.IndexFunc(m.Artifacts, func(o providers.Artifact) bool { return o.Address == a.Address })
		m.Artifacts[at].Trees = providers.OneTree(r.dir(i))
	}
	return m
}

// store stores what was unpacked. What the archive had before stays, unless it is
// damaged: what was just read of the other one is good.
func (r *running) store(ctx context.Context) (err error) {
	if r.wasThere {
		if damage := r.verify(ctx); damage != nil && ctx.Err() == nil {
			err = r.To.Archiver.Delete(ctx, r.Manifest.ID)
		}
	}
	if err == nil {
		r.stored, err = r.To.Archiver.Store(ctx, r.unpacked(), nil)
	}
	return err
}

// verify reads all that To has of the backup. The identities of this run are those
// of From: that they do not decrypt what To has is no damage.
func (r *running) verify(ctx context.Context) error {
	findings, err := r.To.Archiver.Verify(ctx, r.Manifest.ID)
	if errors.Is(err, providers.ErrNoIdentity) {
		err = nil
	}
	for _, f := range findings {
		if f.Severity == problem.Error {
			err = problem.Join(err, &f)
		}
	}
	return err
}
