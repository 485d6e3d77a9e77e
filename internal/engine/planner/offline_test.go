package planner_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/providers"
)

// untouchable fails the test when anything is asked of it.
type untouchable struct {
	finishing
	t *testing.T
}

func (u untouchable) Check(context.Context) (providers.Report, error) {
	u.t.Error("an offline plan checked a strategy")
	return providers.Report{}, nil
}

type untouchableHome struct {
	preparing
	t *testing.T
}

func (u untouchableHome) Check(context.Context) (providers.Report, error) {
	return untouchable{t: u.t}.Check(context.Background())
}

type untouchableArchive struct {
	providers.Archiver // nil: any other call panics
	t                  *testing.T
}

func (untouchableArchive) Destination() providers.Destination { return providers.Destination{} }

func (u untouchableArchive) Check(context.Context, providers.Estimate) (providers.Report, error) {
	u.t.Error("an offline plan checked an archive")
	return providers.Report{}, nil
}

func (u untouchableArchive) List(context.Context) ([]providers.Manifest, []providers.Finding, error) {
	u.t.Error("an offline plan listed an archive")
	return nil, nil, nil
}

func TestOfflineLooksAtNothingAndReportsWhatIsLeft(t *testing.T) {
	online, err := planner.Plan(t.Context(), request(t))
	if err != nil {
		t.Fatal(err)
	}
	r := request(t)
	r.Observer, r.Disk, r.StateDir = nil, nil, "/nowhere/state"
	r.Parts[0].Strategy = untouchableHome{t: t}
	r.Parts[1].Strategy = untouchable{t: t}
	r.Archives[0].Archiver = untouchableArchive{t: t}
	got, err := planner.Offline(r)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(p plan.Plan) (out []string) {
		for _, n := range p.Nodes() {
			out = append(out, string(n.ID))
			if n.Does == "" {
				t.Errorf("%s does not say what it does", n.ID)
			}
		}
		return out
	}
	if !slices.Equal(ids(got.Plan), ids(online.Plan)) {
		t.Errorf("steps %v, online %v", ids(got.Plan), ids(online.Plan))
	}
	var open []string
	for _, n := range got.Plan.NotChecked {
		open = append(open, n.Address)
	}
	if want := []string{"instance.prod", "home.a.b", "database.c.d", "archive.e.f", "bkp"}; !slices.Equal(open, want) {
		t.Errorf("not checked: %v", open)
	}
	if len(online.Plan.NotChecked) > 0 {
		t.Errorf("online: %v", online.Plan.NotChecked)
	}
}

func TestOfflineWarnsFromTheConfiguration(t *testing.T) {
	r := request(t)
	r.URL, r.Archives[0].Retention = "http://b.example", nil
	got, err := planner.Offline(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"instance.prod: credentials travel in plain text", "archive.e.f: no retention"}; !slices.Equal(summaries(got.Findings), want) || len(got.Plan.Warnings) != 2 {
		t.Errorf("findings %v", summaries(got.Findings))
	}
}

func TestOfflineSaysNothingOfWhatIsOutOfReach(t *testing.T) {
	r := request(t)
	r.Parts[0].Strategy = strategy{sources: []string{"/"}}
	r.Archives[0].Archiver = archiver{destination: "/somewhere"}
	r.StateDir = "relative" // not below any root
	r.Open = map[string][]string{"archive.e.f": {"destination"}, "retention.r": {"keep_last"}}
	got, err := planner.Offline(r)
	if err != nil || len(got.Findings) > 0 {
		t.Fatalf("%v, findings %v", err, summaries(got.Findings))
	}
	nodes := got.Plan.Nodes()
	if does := nodes[len(nodes)-2].Does; does != "store" {
		t.Errorf("store does %q", does)
	}
	if !slices.ContainsFunc(got.Plan.NotChecked, func(n plan.NotChecked) bool {
		return n.Address == "archive.e.f" && strings.Contains(n.What, "destination")
	}) {
		t.Errorf("not checked: %v", got.Plan.NotChecked)
	}
	r.Open = nil
	if got, err := planner.Offline(r); err != nil || len(got.Findings) == 0 {
		t.Errorf("within reach nothing is found: %v", err)
	}
}
