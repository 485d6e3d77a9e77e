package planner

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/plan"
	"bkp/internal/engine/predict"
	"bkp/internal/engine/prune"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/records/retention"
	"bkp/providers"
)

// Observer looks at an instance without changing it.
type Observer interface {
	Observe(ctx context.Context) bitbucket.Observation
}

// Disk looks at file systems; *host.Host is one.
type Disk interface {
	Space(path string) (host.Space, error)
}

// Request is all that a plan for one instance depends on.
type Request struct {
	// Name of the instance, as in the ids of its backups, and its address.
	Name, Address, URL string
	// DrainTimeout, Budget and Grace bound the lock window; see plan.Locked.
	DrainTimeout, Budget, Grace time.Duration
	// ZeroDowntime leaves the lock out; see plan.Live.
	ZeroDowntime bool
	MaxSkew      time.Duration
	Observer     Observer
	// Parts are home and database.
	Parts    []Part
	Archives []Archive
	// Copies are archives that a run does not store in.
	Copies []Archive
	// Refers are, by the address of a component, those that it refers to.
	Refers map[string][]string
	// Absent is what the instance does not back up; see plan.Plan.
	Absent []string
	// Known is what the catalog knows of backups, for retention.
	Known prune.Known
	// Open names, by address, the attributes whose values only the backup
	// machine knows. It is empty but for Offline.
	Open map[string][]string
	// History are the manifests of earlier backups of the instance.
	History []providers.Manifest
	// AcceptChangedHome makes warnings of what speaks against a home that differs
	// from the last backup's.
	AcceptChangedHome bool
	// Elsewhere are the base URLs of backups of instances of the same name, and how
	// many there are: of another environment, or of this one before it moved.
	Elsewhere map[string]int
	// LastProven is the newest proof that a backup can be restored, nil without one; MaxProofAge how old it may get, 0 for any age.
	LastProven  *plan.Proof
	MaxProofAge time.Duration
	// ProvenKeys are the recipients whose secret keys decrypted a backup in a drill,
	// by fingerprint.
	ProvenKeys map[string]catalog.KeyProof
	// StateDir is where journal, catalog and working copies lie.
	StateDir string
	// Disk returns what a folder's file system is and has free.
	Disk Disk
	Now  func() time.Time
	// Checks bounds how many checks of parts and archives run at once, over all
	// plans that are made at the same time; nil does not. Abroad does the same for parts
	// on other machines, which share no disk with each other.
	Checks, Abroad *semaphore.Weighted
}

// Part is a component with a strategy.
type Part struct {
	Address  string
	Strategy providers.Strategy
	// Definition is that of the strategy.
	Definition providers.Definition
	// Node is the name or id of the Mesh node that it stands for, "" if for none.
	Node string
	// On is the connection to the machine on which it runs, "" for this one.
	On string
}

// Archive is a component that stores.
type Archive struct {
	Address    string
	Archiver   providers.Archiver
	Definition providers.Definition
	// Retention says which backups stay there; nil keeps all.
	Retention *Retention
}

// Retention is the retention block that an archive is pruned by.
type Retention struct {
	Address string
	Policy  retention.Policy
}

// Finding is a problem at an address.
type Finding struct {
	Address string
	problem.Problem
}

// Result is a plan and what was found on the way. A plan with errors must not
// be applied; it is complete enough to be shown.
type Result struct {
	Plan     plan.Plan
	Findings []Finding
}

// Errors returns the findings that stop the plan.
func (r Result) Errors() []Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.Severity != problem.Error })
}

// checked is a component with its report.
type checked struct {
	address string
	report  providers.Report
}

// Plan checks and lays out. The error is for a check that could not be carried
// out at all, such as a cancelled one.
func Plan(ctx context.Context, r Request) (Result, error) {
	p := &planning{Request: r, result: Result{Plan: plan.Plan{
		Instance: r.Name, Address: r.Address, URL: r.URL, Facts: map[string]map[string]string{}, Refers: r.Refers, Absent: r.Absent,
	}}}
	p.result.Findings = Lint(r)
	if err := p.look(ctx); err != nil {
		return p.result, err
	}
	p.compare()
	p.together()
	p.abroad()
	p.elsewhere()
	p.predict()
	p.proof()
	p.keys(ctx)
	p.away()
	if err := p.layOutPrune(ctx, p.layOut(), p.asItem()); err != nil {
		return p.result, err
	}
	p.warnings()
	return p.result, nil
}

// elsewhere says what is not counted, and why: an operator who changes url is to know
// that nothing is lost, and that nothing removes what was made before.
func (p *planning) elsewhere() {
	for _, url := range slices.Sorted(maps.Keys(p.Elsewhere)) {
		p.found(p.instance(), *problem.Warn("backups of another URL",
			fmt.Sprintf("backups of an instance of the same name at %s: %d. They do not count for %s: retention keeps them, and they are neither history nor proof", url, p.Elsewhere[url], p.URL),
			"another environment: give each a state_dir and a destination of its own. The URL of this one has changed: they can be restored as before; when you no longer need them, remove them from the archive, and from the list:\n\n    bkp list --all"))
	}
}

// predict says from earlier runs what the lock window will be, and warns when
// the budget is likely to end the run.
func (p *planning) predict() {
	if p.ZeroDowntime {
		return
	}
	expected := predict.Window(p.History)
	p.result.Plan.Prediction = &expected
	if budget := plan.Duration(p.Budget); predict.Exceeds(expected, budget) {
		p.found(p.instance(), *problem.Warn("the budget may be exceeded",
			fmt.Sprintf("the lock window took up to %s in the last runs, and the budget is %s", time.Duration(expected.High).Round(time.Millisecond), p.Budget),
			"raise budget in the instance's lock block, or choose a quieter hour"))
	}
}

type planning struct {
	Request
	parts    []checked
	archives []checked
	result   Result
}

func (p *planning) instance() string { return p.Address }

func (p *planning) found(address string, fs ...providers.Finding) {
	for _, f := range fs {
		p.result.Findings = append(p.result.Findings, Finding{address, f})
	}
}

// warn adds what is wrong with earlier backups. It does not stop this one: a
// bad old backup is a reason for one more. What the archive's own check has said
// already is not repeated.
func (p *planning) warn(address string, findings []providers.Finding) {
	for _, f := range findings {
		known := func(have Finding) bool {
			return have.Address == address && have.Summary == f.Summary && strings.HasPrefix(have.Detail, f.Detail)
		}
		if slices.ContainsFunc(p.result.Findings, known) {
			continue
		}
		f.Severity = problem.Warning
		p.found(address, f)
	}
}

// look runs every check: the instance and the parts at the same time, then the
// archives, which need to know how much there is to store.
func (p *planning) look(ctx context.Context) error {
	p.parts = make([]checked, len(p.Parts))
	var seen bitbucket.Observation
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { seen = p.Observer.Observe(gctx); return gctx.Err() })
	for i, part := range p.Parts {
		bound := p.Checks
		if part.On != "" {
			bound = p.Abroad
		}
		g.Go(func() error { return p.check(gctx, bound, &p.parts[i], part.Address, part.Strategy.Check) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := p.lookAtArchives(ctx, p.toStore); err != nil {
		return err
	}
	p.record(seen)
	return nil
}

// toStore is how much of the parts an archive takes. What is kept elsewhere
// needs none of its space.
func (p *planning) toStore(a Archive) providers.Estimate {
	var total providers.Estimate
	for i, part := range p.Parts {
		if a.keeps(part) {
			total = total.Plus(p.parts[i].report.Estimate)
		}
	}
	return total
}

// trees are where all that an archive takes will lie, as far as it is known.
func (p *planning) trees(a Archive) []string {
	var out []string
	for i, part := range p.Parts {
		if i < len(p.parts) && a.keeps(part) {
			out = append(out, p.parts[i].report.Trees...)
		}
	}
	return out
}

func (p *planning) lookAtArchives(ctx context.Context, toStore func(Archive) providers.Estimate) error {
	p.archives = make([]checked, len(p.Archives))
	g, ctx := errgroup.WithContext(ctx)
	for i, a := range p.Archives {
		g.Go(func() error {
			return p.check(ctx, p.Checks, &p.archives[i], a.Address, func(ctx context.Context) (providers.Report, error) {
				report, err := p.lookAtArchive(ctx, a, toStore(a))
				if err != nil {
					return report, err
				}
				if err := p.notVanished(ctx, a, &report); err != nil {
					return report, err
				}
				return report, p.lookFromThere(ctx, a, &report)
			})
		})
	}
	return g.Wait()
}

func (p *planning) lookAtArchive(ctx context.Context, a Archive, e providers.Estimate) (providers.Report, error) {
	if s, ok := providers.As[providers.Sharer](a.Archiver); ok {
		return s.CheckFrom(ctx, p.trees(a), e)
	}
	return a.Archiver.Check(ctx, e)
}

func (p *planning) check(ctx context.Context, bound *semaphore.Weighted, into *checked, address string, run func(context.Context) (providers.Report, error)) error {
	if bound != nil {
		if err := bound.Acquire(ctx, 1); err != nil {
			return context.Cause(ctx)
		}
		defer bound.Release(1)
	}
	report, err := run(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		report.Add(problem.Wrap(err, "the check could not be carried out", problem.Remedy(err)))
	}
	*into = checked{address, report}
	return nil
}

func (p *planning) record(seen bitbucket.Observation) {
	p.result.Plan.Version = seen.Properties.Version
	p.found(p.instance(), p.tooOldForLive(seen.Properties.Version)...)
	p.result.Plan.Facts[p.instance()] = map[string]string{
		"version": seen.Properties.Version, "build": seen.Properties.BuildNumber,
	}
	p.found(p.instance(), seen.Findings...)
	for _, c := range slices.Concat(p.parts, p.archives) {
		p.found(c.address, c.report.Findings...)
		if len(c.report.Facts) > 0 {
			p.result.Plan.Facts[c.address] = c.report.Facts
		}
	}
	p.mesh(seen)
}

// toPrepare is how much a live pass has to read. That of a database says little
// of its dump.
func (p *planning) toPrepare(i int) plan.Size {
	if !p.Parts[i].Definition.Kind.About().Measured {
		return plan.Size{}
	}
	e := p.parts[i].report.Estimate
	return plan.Size{Files: e.Files, Bytes: e.Bytes}
}

// layOut writes the steps up to storing, and returns the storing ones.
func (p *planning) layOut() []plan.NodeID {
	out := &p.result.Plan
	captures, needs := p.layOutScope()
	var captured []plan.NodeID
	for i, part := range p.Parts {
		does := p.parts[i].report.Does
		if part.Definition.Does(providers.Prepare) {
			out.Before = append(out.Before, plan.NewNode(plan.Prepare, part.Address, cmp.Or(does[providers.Prepare], usual(providers.Prepare, part.Address))).At(part.On).Sized(p.toPrepare(i)))
		}
		capture := plan.NewNode(plan.Capture, part.Address, cmp.Or(does[providers.Capture], usual(providers.Capture, part.Address)), needs...).At(part.On)
		*captures = append(*captures, capture)
		done := capture.ID
		if part.Definition.Does(providers.Finish) {
			finish := plan.NewNode(plan.Finish, part.Address, cmp.Or(does[providers.Finish], usual(providers.Finish, part.Address)), capture.ID).At(part.On)
			out.After = append(out.After, finish)
			done = finish.ID
		}
		captured = append(captured, done)
	}
	return p.layOutStore(captured)
}

// layOutScope writes what is around the captures: the lock, or nothing at all. It
// returns where they go, and what they wait for.
func (p *planning) layOutScope() (captures *[]plan.Node, needs []plan.NodeID) {
	out := &p.result.Plan
	if p.ZeroDowntime {
		out.Live = &plan.Live{MaxSkew: plan.Duration(p.MaxSkew)}
		return &out.Live.Nodes, nil
	}
	start := plan.NewNode(plan.Start, p.instance(), "start the backup task")
	drain := plan.NewNode(plan.Drain, p.instance(), "wait until the database and git are drained", start.ID)
	out.Locked = &plan.Locked{
		Instance: p.Name, DrainTimeout: plan.Duration(p.DrainTimeout), Budget: plan.Duration(p.Budget), Grace: plan.Duration(p.Grace),
		Nodes: []plan.Node{start, drain},
	}
	return &out.Locked.Nodes, []plan.NodeID{drain.ID}
}

func (p *planning) layOutStore(captured []plan.NodeID) (stored []plan.NodeID) {
	for i, a := range p.Archives {
		n := plan.NewNode(plan.Store, a.Address, cmp.Or(p.archives[i].report.Does[providers.Store], p.usualStore(a)), captured...)
		p.result.Plan.After = append(p.result.Plan.After, n)
		stored = append(stored, n.ID)
	}
	return stored
}

func (p *planning) warnings() { p.result.Plan.Warnings = Warnings(p.result.Findings) }

// Warnings are those of findings, as a plan has them.
func Warnings(findings []Finding) []plan.Warning {
	var out []plan.Warning
	for _, f := range findings {
		if f.Severity == problem.Warning {
			out = append(out, plan.Warning{Address: f.Address, Summary: f.Summary, Detail: f.Detail, Remedy: f.Remedy})
		}
	}
	return out
}
