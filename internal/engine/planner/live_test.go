package planner_test

import (
	"slices"
	"testing"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/providers"
)

// atOnce is a request whose parts are captured at one instant each.
func atOnce(t *testing.T) planner.Request {
	t.Helper()
	r := request(t)
	r.ZeroDowntime, r.MaxSkew = true, 3*time.Second
	for i := range r.Parts {
		r.Parts[i].Definition.Atomic, r.Parts[i].Definition.Live = true, true
	}
	return r
}

func TestWithoutALockNobodyWaits(t *testing.T) {
	result, err := planner.Plan(t.Context(), atOnce(t))
	if err != nil || len(result.Errors()) > 0 {
		t.Fatal(err, result.Errors())
	}
	p := result.Plan
	if p.Locked != nil || p.Live == nil || p.Live.MaxSkew != plan.Duration(3*time.Second) {
		t.Fatalf("locked %+v, live %+v", p.Locked, p.Live)
	}
	for _, n := range p.Live.Nodes {
		if n.Phase != plan.Capture || len(n.Needs) > 0 {
			t.Errorf("%s waits for %v", n.ID, n.Needs)
		}
	}
	if len(p.Live.Nodes) != 2 {
		t.Errorf("captured: %+v", p.Live.Nodes)
	}
}

// TestWhatNeedsTheLock: each of these can be right only while nobody writes.
func TestWhatNeedsTheLock(t *testing.T) {
	const refused = "no backup without a lock"
	for name, c := range map[string]struct {
		change func(r *planner.Request)
		want   string
	}{
		"a home that copies files":    {func(r *planner.Request) { r.Parts[0].Definition.Live, r.Parts[0].Definition.Atomic = false, false }, "home.a.b: " + refused},
		"a snapshot like a power cut": {func(r *planner.Request) { r.Parts[0].Definition.Live = false }, "home.a.b: " + refused},
		"a dump inside the lock":      {func(r *planner.Request) { r.Parts[1].Definition.Live = false }, "database.c.d: " + refused},
		"an embedded database":        {func(r *planner.Request) { r.Parts[1].Definition = inside(providers.Definition{}) }, "database.c.d: " + refused},
		"a database of others":        {func(r *planner.Request) { r.Parts[1].Definition.Empty = true }, "database.c.d: " + refused},
		"an old version": {func(r *planner.Request) {
			r.Observer = observer{bitbucket.Observation{Properties: bitbucket.Properties{Version: "4.7.9"}}}
		}, "instance.prod: Bitbucket is too old for a backup without a lock"},
	} {
		t.Run(name, func(t *testing.T) {
			r := atOnce(t)
			c.change(&r)
			result, err := planner.Plan(t.Context(), r)
			if err != nil || !slices.Contains(summaries(result.Errors()), c.want) {
				t.Errorf("%v, %q", err, summaries(result.Errors()))
			}
		})
	}
	// In the snapshot of the home, the files of a database are of its instant.
	r := atOnce(t)
	r.Parts[1].Definition = inside(providers.Definition{NeedsAtomic: true})
	if result, err := planner.Plan(t.Context(), r); err != nil || len(result.Errors()) > 0 {
		t.Errorf("%v, %q", err, summaries(result.Errors()))
	}
	r.Observer = observer{bitbucket.Observation{Properties: bitbucket.Properties{Version: "10.0.0-rc1"}}}
	if result, err := planner.Plan(t.Context(), r); err != nil || len(result.Errors()) > 0 {
		t.Errorf("%v, %q", err, summaries(result.Errors()))
	}
}

// inside is a definition of a database that lies in the home.
func inside(d providers.Definition) providers.Definition {
	d.Kind, d.Inside = providers.Databases, providers.Homes
	return d
}
