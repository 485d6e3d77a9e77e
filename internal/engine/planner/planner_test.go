package planner_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/records/retention"
	"bkp/providers"
)

type observer struct{ bitbucket.Observation }

func (o observer) Observe(context.Context) bitbucket.Observation { return o.Observation }

// strategy only checks; prepares and finishes says what it offers besides.
type strategy struct {
	providers.Base

	report  providers.Report
	err     error
	sources []string
}

func (s strategy) Check(context.Context) (providers.Report, error) { return s.report, s.err }

func (strategy) Capture(context.Context, providers.BackupID) (providers.Artifact, error) {
	return providers.Artifact{}, errors.New("a plan must not capture")
}
func (strategy) Discard(context.Context, providers.BackupID) error { return nil }
func (strategy) Restorer(string) (providers.Restorer, error) {
	return nil, errors.New("a plan of a backup must not restore")
}
func (s strategy) Paths() providers.Paths { return providers.Paths{Live: s.sources} }

// steps is a definition whose plan has steps of the verbs.
func steps(kind providers.Kind[providers.Strategy], verbs ...providers.Verb) providers.Definition {
	return providers.Define(kind, "test", "", struct{}{}, func(struct{}, providers.Env) (providers.Strategy, error) { return nil, nil }, providers.Does(verbs...))
}

type preparing struct{ strategy }

func (preparing) Prepare(context.Context, providers.BackupID) error {
	return errors.New("a plan must not prepare")
}

type finishing struct{ preparing }

func (finishing) Finish(_ context.Context, a providers.Artifact) (providers.Artifact, error) {
	return a, nil
}

type archiver struct {
	providers.Archiver

	destination string
	list        []providers.Manifest
	findings    []providers.Finding
	estimate    *providers.Estimate
}

func (a archiver) Destination() providers.Destination {
	return providers.Destination{Name: a.destination, Folder: a.destination}
}

func (a archiver) Check(_ context.Context, e providers.Estimate) (providers.Report, error) {
	if a.estimate != nil {
		*a.estimate = e
	}
	return providers.Report{}, nil
}

func (a archiver) List(context.Context) ([]providers.Manifest, []providers.Finding, error) {
	return a.list, a.findings, nil
}

var staged = []providers.Life{providers.Staged}

func request(t *testing.T) planner.Request {
	t.Helper()
	dir := t.TempDir()
	return planner.Request{
		Name: "prod", Address: "instance.prod", URL: "https://b.example",
		DrainTimeout: time.Minute, Budget: 2 * time.Minute, Grace: time.Second,
		Observer: observer{bitbucket.Observation{Properties: bitbucket.Properties{Version: "9.2.1"}}},
		Parts: []planner.Part{
			{Address: "home.a.b", Strategy: preparing{}, Definition: steps(providers.Homes, providers.Prepare)},
			{Address: "database.c.d", Strategy: finishing{}, Definition: steps(providers.Databases, providers.Prepare, providers.Finish)},
		},
		Archives: []planner.Archive{{
			Address: "archive.e.f", Archiver: archiver{destination: filepath.Join(dir, "archive")}, Definition: providers.Definition{Kind: providers.Archives},
			Retention: &planner.Retention{Address: "retention.r", Policy: retention.Policy{Last: 2}},
		}},
		StateDir: filepath.Join(dir, "state"), Disk: &host.Host{},
		Now: func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) },
	}
}

func summaries(fs []planner.Finding) []string {
	var out []string
	for _, f := range fs {
		out = append(out, f.Address+": "+f.Summary)
	}
	return out
}

func TestPlanLaysTheStepsAroundTheLock(t *testing.T) {
	result, err := planner.Plan(t.Context(), request(t))
	if err != nil || len(result.Errors()) > 0 {
		t.Fatal(err, result.Errors())
	}
	ids := func(nodes []plan.Node) (out []string) {
		for _, n := range nodes {
			out = append(out, string(n.ID))
		}
		return out
	}
	if got := ids(result.Plan.Before); !slices.Equal(got, []string{"home.a.b/prepare", "database.c.d/prepare"}) {
		t.Errorf("before: %v", got)
	}
	if got := ids(result.Plan.Locked.Nodes); !slices.Equal(got, []string{"instance.prod/start", "instance.prod/drain", "home.a.b/capture", "database.c.d/capture"}) {
		t.Errorf("locked: %v", got)
	}
	if got := ids(result.Plan.After); !slices.Equal(got, []string{"database.c.d/finish", "archive.e.f/store", "archive.e.f/prune"}) {
		t.Errorf("after: %v", got)
	}
	store := result.Plan.After[1]
	if !slices.Contains(store.Needs, "database.c.d/finish") || !slices.Contains(store.Needs, "home.a.b/capture") {
		t.Errorf("storing needs %v", store.Needs)
	}
}

func TestPlanNamesWhatRetentionWillRemove(t *testing.T) {
	r := request(t)
	r.Archives[0].Archiver = archiver{destination: r.StateDir + "x", list: []providers.Manifest{
		{ID: "prod-20261121T000000Z", Instance: "prod", URL: r.URL}, {ID: "prod-20261120T000000Z", Instance: "prod", URL: r.URL},
		{ID: "other-20250101T000000Z", Instance: "other", URL: r.URL},
		{ID: "prod-20250101T000000Z", Instance: "prod", URL: "https://staging.example"},
	}}
	result, err := planner.Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	prune := result.Plan.After[len(result.Plan.After)-1]
	if string(prune.Args) != `{"retention":"retention.r","policy":{"keep_last":2},"remove":["prod-20261120T000000Z"]}` {
		t.Errorf("args %s", prune.Args)
	}
}

// After the clock was ahead once, ids are later than now. The backup to come has
// a later one still: it is not the one to remove.
func TestRetentionOutlivesAClockThatWasAhead(t *testing.T) {
	r := request(t)
	r.Archives[0].Archiver = archiver{destination: r.StateDir + "x", list: []providers.Manifest{
		{ID: "prod-20361121T000001Z", Instance: "prod", URL: r.URL}, {ID: "prod-20361121T000000Z", Instance: "prod", URL: r.URL},
	}}
	result, err := planner.Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	prune := result.Plan.After[len(result.Plan.After)-1]
	if string(prune.Args) != `{"retention":"retention.r","policy":{"keep_last":2},"remove":["prod-20361121T000000Z"]}` {
		t.Errorf("args %s", prune.Args)
	}
}

func TestADamagedBackupStopsNoOther(t *testing.T) {
	r := request(t)
	r.Archives[0].Archiver = archiver{destination: r.StateDir + "x", findings: []providers.Finding{*problem.New("manifest is damaged", "prod-20261120T000000Z", "")}}
	result, err := planner.Plan(t.Context(), r)
	if err != nil || len(result.Errors()) > 0 {
		t.Fatal(err, result.Errors())
	}
	if got := summaries(result.Findings); !slices.Contains(got, "archive.e.f: manifest is damaged") {
		t.Errorf("findings %v", got)
	}
}

func TestWhatNoPartCanSeeAlone(t *testing.T) {
	home := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(home, link); err != nil {
		t.Fatal(err)
	}
	huge := providers.Report{Space: []providers.SpaceNeed{{Path: home, Bytes: 1 << 60, For: "working copy"}}}
	cases := map[string]struct {
		change func(*planner.Request)
		want   string
	}{
		"archive inside the home": {func(r *planner.Request) {
			r.Parts[0].Strategy = strategy{sources: []string{home}}
			r.Archives[0].Archiver = archiver{destination: filepath.Join(home, "x", "y")}
		}, "archive.e.f: folder inside the home"},
		"archive inside the home by a symlink": {func(r *planner.Request) {
			r.Parts[0].Strategy = strategy{sources: []string{home}}
			r.Archives[0].Archiver = archiver{destination: filepath.Join(link, "x")}
		}, "archive.e.f: folder inside the home"},
		"state inside the home": {func(r *planner.Request) {
			r.Parts[0].Strategy = strategy{sources: []string{home}}
			r.StateDir = filepath.Join(home, "state")
		}, "bkp: folder inside the home"},
		"no space":      {func(r *planner.Request) { r.Parts[0].Strategy = strategy{report: huge} }, "bkp: not enough disk space"},
		"a check broke": {func(r *planner.Request) { r.Parts[0].Strategy = strategy{err: errors.New("x")} }, "home.a.b: the check could not be carried out"},
		"instance trouble": {func(r *planner.Request) {
			r.Observer = observer{bitbucket.Observation{Findings: []problem.Problem{*problem.New("down", "", "")}}}
		}, "instance.prod: down"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := request(t)
			c.change(&r)
			result, err := planner.Plan(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := summaries(result.Errors()); !slices.Contains(got, c.want) {
				t.Errorf("errors %v, want %q", got, c.want)
			}
		})
	}
}

func TestArchivesLearnHowMuchThereIs(t *testing.T) {
	r := request(t)
	var got providers.Estimate
	r.Parts[0].Strategy = strategy{report: providers.Report{Estimate: providers.Estimate{Files: 3, Bytes: 30}}}
	r.Parts[1].Strategy = strategy{report: providers.Report{Estimate: providers.Estimate{Files: 1, Bytes: 5}}}
	r.Archives[0].Archiver = archiver{destination: r.StateDir + "x", estimate: &got}
	if _, err := planner.Plan(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got != (providers.Estimate{Files: 4, Bytes: 35}) {
		t.Errorf("estimate %+v", got)
	}
}

func TestPlanPredictsFromEarlierRuns(t *testing.T) {
	r := request(t)
	result, err := planner.Plan(t.Context(), r)
	if err != nil || result.Plan.Prediction == nil || result.Plan.Prediction.Runs != 0 {
		t.Fatalf("without runs: %+v, %v", result.Plan.Prediction, err)
	}
	r.History = []providers.Manifest{{Instance: "prod", LockWindow: r.Budget * 9 / 10}}
	result, err = planner.Plan(t.Context(), r)
	if err != nil || time.Duration(result.Plan.Prediction.Expected) != r.Budget*9/10 {
		t.Fatalf("with a run: %+v, %v", result.Plan.Prediction, err)
	}
	if got := summaries(result.Findings); !slices.Contains(got, "instance.prod: the budget may be exceeded") {
		t.Errorf("findings %v", got)
	}
}

// crowded counts how many checks run at once, and lets none end before it is released.
type crowded struct {
	strategy

	now *atomic.Int64
	end chan struct{}
}

func (c crowded) Check(context.Context) (providers.Report, error) {
	c.now.Add(1)
	<-c.end
	c.now.Add(-1)
	return providers.Report{}, nil
}

func TestChecksAreBoundedOverAllPlans(t *testing.T) {
	r := request(t)
	synctest.Test(t, func(t *testing.T) {
		const bound = 3
		c := crowded{now: &atomic.Int64{}, end: make(chan struct{})}
		r.Checks = semaphore.NewWeighted(bound)
		r.Parts[0].Strategy, r.Parts[1].Strategy = c, c
		var g errgroup.Group
		for range 10 {
			g.Go(func() error { _, err := planner.Plan(t.Context(), r); return err })
		}
		synctest.Wait() // all that may begin has begun
		if now := c.now.Load(); now != bound {
			t.Errorf("%d checks at once, want %d", now, bound)
		}
		close(c.end)
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// machine is a part on another machine, which answers each question once it is released.
type machine struct {
	strategy

	checks, compares *atomic.Int64
	answer, compared chan struct{}
}

func (m machine) Check(context.Context) (providers.Report, error) {
	m.checks.Add(1)
	<-m.answer
	return providers.Report{}, nil
}

func (m machine) Compare([]providers.Earlier) []providers.Finding {
	m.compares.Add(1)
	<-m.compared
	return nil
}

// TestMachinesAreAskedAtOnce: however many there are, the plan takes as long as one.
func TestMachinesAreAskedAtOnce(t *testing.T) {
	const machines = 200
	r := request(t)
	synctest.Test(t, func(t *testing.T) {
		m := machine{checks: &atomic.Int64{}, compares: &atomic.Int64{}, answer: make(chan struct{}), compared: make(chan struct{})}
		r.Checks, r.Abroad, r.Parts = semaphore.NewWeighted(1), semaphore.NewWeighted(machines), r.Parts[:1]
		for i := range machines {
			address := fmt.Sprintf("home.x.n%d", i)
			r.Parts = append(r.Parts, planner.Part{Address: address, Strategy: m, Definition: steps(providers.Homes, providers.Prepare), On: fmt.Sprintf("connection.x.n%d", i)})
		}
		planned := make(chan error, 1)
		go func() { _, err := planner.Plan(t.Context(), r); planned <- err }()
		synctest.Wait()
		if n := m.checks.Load(); n != machines {
			t.Errorf("%d machines are checked at once", n)
		}
		close(m.answer)
		synctest.Wait()
		if n := m.compares.Load(); n != machines {
			t.Errorf("%d machines compare at once", n)
		}
		close(m.compared)
		if err := <-planned; err != nil {
			t.Error(err)
		}
	})
}
