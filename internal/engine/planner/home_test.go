package planner_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/internal/engine/planner"
	"bkp/internal/problem"
	"bkp/internal/records/retention"
	"bkp/providers"
)

// comparing refuses to be anything but what the last backup was.
type comparing struct {
	preparing
	asked *[]string
}

func (c comparing) Check(context.Context) (providers.Report, error) {
	return providers.Report{Estimate: providers.Estimate{Files: 1, Bytes: 7}}, nil
}

func (c comparing) Compare(earlier []providers.Earlier) []providers.Finding {
	for _, a := range earlier {
		*c.asked = append(*c.asked, a.Facts["n"])
	}
	return []providers.Finding{*problem.New("most of the home is gone", "it is", "look")}
}

func backup(day, url string, address string) providers.Manifest {
	return providers.Manifest{
		ID: providers.BackupID("prod-202611" + day + "T000000Z"), Instance: "prod", URL: url,
		Artifacts: []providers.Artifact{{Address: address, Facts: map[string]string{"n": day}}},
		Stored:    []providers.Stored{{Archive: "archive.e.f", Parts: map[string]providers.Part{address: {Bytes: 1000}}}},
	}
}

func TestAChangedHomeIsAnErrorUnlessItIsAccepted(t *testing.T) {
	for _, accept := range []bool{false, true} {
		var asked []string
		r := request(t)
		r.AcceptChangedHome = accept
		r.Parts[0].Strategy = comparing{asked: &asked}
		r.History = []providers.Manifest{
			backup("19", r.URL, "home.a.old"), backup("20", r.URL, "home.a.b"), backup("21", "https://another", "home.a.b"), backup("18", r.URL, "database.c.d"),
		}
		result, err := planner.Plan(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(result.Errors()); (got == 0) != accept || result.Plan.AcceptChangedHome != accept {
			t.Errorf("accept %v: errors %v", accept, result.Errors())
		}
		shown := slices.ContainsFunc(result.Findings, func(f planner.Finding) bool { return f.Summary == "most of the home is gone (accepted)" })
		if shown != accept {
			t.Errorf("accept %v: %v", accept, summaries(result.Findings))
		}
		if !slices.Equal(asked, []string{"20", "19"}) {
			t.Errorf("compared with %v: the newest first, of this instance and URL", asked)
		}
	}
}

// TestThreeNightsWithoutTheVolumeRemoveNothing is a plan that the operator
// accepted three times.
func TestThreeNightsWithoutTheVolumeRemoveNothing(t *testing.T) {
	r := request(t)
	r.AcceptChangedHome = true
	r.Archives[0].Retention.Policy = retention.Policy{Last: 2, MinSize: 10}
	var asked []string
	r.Parts[0].Strategy = comparing{asked: &asked}
	list := []providers.Manifest{backup("18", r.URL, "home.a.b"), backup("19", r.URL, "home.a.b")}
	for _, day := range []string{"20", "21"} {
		small := backup(day, r.URL, "home.a.b")
		small.Stored[0].Parts["home.a.b"] = providers.Part{Bytes: 7}
		list = append(list, small)
	}
	r.Archives[0].Archiver = archiver{destination: r.StateDir + "x", list: list}
	r.Now = func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) }
	result, err := planner.Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	prune := result.Plan.After[len(result.Plan.After)-1]
	if want := `{"retention":"retention.r","policy":{"keep_last":2,"min_size":10},"remove":["prod-20261120T000000Z"]}`; string(prune.Args) != want {
		t.Errorf("args %s, want %s: the small one alone", prune.Args, want)
	}
	if !strings.Contains(prune.Does, "this backup does not count, it is suspiciously small (home.a.b bytes: 7, and 1000 before), and 1 more") {
		t.Errorf("the plan says %q", prune.Does)
	}
}
