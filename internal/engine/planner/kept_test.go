package planner_test

import (
	"context"
	"slices"
	"testing"

	"bkp/internal/engine/planner"
	"bkp/providers"
)

func TestEveryPartIsKeptByAnArchive(t *testing.T) {
	lives := func(all ...providers.Life) []providers.Life { return all }
	cases := map[string]struct {
		home, database, archive []providers.Life
		want                    []string
	}{
		"staged":                              {staged, staged, staged, nil},
		"native, and nothing that takes it":   {lives(providers.Native), staged, staged, []string{"home.a.b: no archive keeps a part"}},
		"native or staged":                    {lives(providers.Staged, providers.Native), staged, staged, nil},
		"contained":                           {staged, lives(providers.Contained), staged, nil},
		"contained in what is not backed up":  {lives(providers.External), lives(providers.Contained), staged, []string{"database.c.d: part is in nothing that is backed up"}},
		"one part that somebody else keeps":   {staged, lives(providers.External), staged, nil},
		"nothing":                             {lives(providers.External), lives(providers.External), staged, []string{"instance.prod: nothing to back up"}},
		"an archive of native snapshots only": {lives(providers.Native), staged, lives(providers.Native), []string{"database.c.d: no archive keeps a part"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := request(t)
			r.Parts[0].Definition, r.Parts[1].Definition, r.Archives[0].Definition = yielding(c.home...), yielding(c.database...), taking(c.archive...)
			result, err := planner.Plan(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := summaries(result.Errors()); !slices.Equal(got, c.want) {
				t.Errorf("errors %q, want %q", got, c.want)
			}
		})
	}
}

// TestAnArchiveNeedsNoSpaceForWhatItDoesNotTake: the estimate of a snapshot that
// stays where it is counts for no archive.
func TestAnArchiveNeedsNoSpaceForWhatItDoesNotTake(t *testing.T) {
	r := request(t)
	var asked providers.Estimate
	r.Archives = append(r.Archives, planner.Archive{Address: "archive.tar.b", Archiver: archiver{estimate: &asked}, Definition: taking(staged...)})
	r.Parts[0] = planner.Part{Address: "home.a.b", Strategy: sized{bytes: 1 << 40}, Definition: yielding(providers.Native)}
	r.Parts[1] = planner.Part{Address: "database.c.d", Strategy: sized{bytes: 7}, Definition: yielding(staged...)}
	if _, err := planner.Plan(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if asked.Bytes != 7 {
		t.Errorf("the archive was asked for %d bytes", asked.Bytes)
	}
}

// TestAnArchiveThatChooses: lives that fit are not enough for one that keeps what some strategies
// capture.
func TestAnArchiveThatChooses(t *testing.T) {
	for address, want := range map[string][]string{"home.a.b": nil, "home.x.y": {"home.a.b: no archive keeps a part"}} {
		r := request(t)
		r.Parts[0].Definition, r.Parts[1].Definition = yielding(providers.Native), yielding(providers.External)
		r.Archives[0].Archiver, r.Archives[0].Definition = choosy{r.Archives[0].Archiver, address}, taking(providers.Native)
		result, err := planner.Plan(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := summaries(result.Errors()); !slices.Equal(got, want) {
			t.Errorf("%s is kept: errors %q, want %q", address, got, want)
		}
	}
}

// choosy is an archive of one strategy.
type choosy struct {
	providers.Archiver

	address string
}

func (c choosy) Keeps(address string) bool { return c.address == address }

// sized is a strategy with an estimate.
type sized struct {
	strategy

	bytes int64
}

func (s sized) Check(context.Context) (providers.Report, error) {
	return providers.Report{Estimate: providers.Estimate{Bytes: s.bytes}}, nil
}

func yielding(lives ...providers.Life) providers.Definition {
	return providers.Define(providers.Homes, "test", "", struct{}{}, func(struct{}, providers.Env) (providers.Strategy, error) { return nil, nil }, providers.Yields(lives...))
}

func taking(lives ...providers.Life) providers.Definition {
	return providers.Define(providers.Archives, "test", "", struct{}{}, func(struct{}, providers.Env) (providers.Archiver, error) { return nil, nil }, providers.Takes(lives...))
}
