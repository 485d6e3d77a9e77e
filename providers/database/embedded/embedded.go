package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bkp/internal/jdbc"
	"bkp/internal/problem"
	"bkp/providers"
)

const (
	noFiles = "embedded database not found"
	noHome  = "home of the embedded database is unknown"
)

// Config is the block database "embedded", which has no attributes.
type Config struct{}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Databases, "embedded", "the embedded database, captured with the home that holds it", Config{},
		func(_ Config, env providers.Env) (providers.Strategy, error) { return &strategy{env: env}, nil }, providers.Engines(jdbc.H2, jdbc.HSQLDB), providers.Inside(providers.Homes))
}

type strategy struct {
	providers.Base

	env providers.Env
}

// files are those of the database in a home.
func files(home string) []string {
	var out []string
	for _, folder := range []string{"data", filepath.Join("shared", "data")} {
		// Not a pattern of the whole path: a home may hold characters that
		// mean something in one.
		entries, _ := os.ReadDir(filepath.Join(home, folder))
		for _, e := range entries {
			if ok, _ := filepath.Match("db.*", e.Name()); ok && e.Type().IsRegular() {
				out = append(out, filepath.Join(home, folder, e.Name()))
			}
		}
	}
	return out
}

// inHome returns what keeps the database from being in the home, nil if it is
// there.
func (s *strategy) inHome() *problem.Problem {
	home := s.env.Instance.Home
	if home == "" {
		return problem.New(noHome, s.env.Address+" has no home on this machine", "name the instance's home in its block: it holds the database")
	}
	if len(files(home)) == 0 {
		return problem.New(noFiles, fmt.Sprintf("%s holds neither data/db.* nor shared/data/db.*", home),
			"declare the database that shared/bitbucket.properties names, or correct the path of the home")
	}
	return nil
}

// Check implements providers.Strategy.
func (s *strategy) Check(context.Context) (providers.Report, error) {
	r := providers.Report{Does: map[providers.Verb]string{
		providers.Capture: "captured with the home, which holds the database",
		providers.Restore: "restored with the home",
	}}
	if p := s.inHome(); p != nil {
		r.Add(p)
	}
	return r, nil
}

// Capture records where the database is. Its size is part of the home's.
func (s *strategy) Capture(context.Context, providers.BackupID) (providers.Artifact, error) {
	if p := s.inHome(); p != nil {
		return providers.Artifact{}, p
	}
	return providers.Artifact{
		Address: s.env.Address, Strategy: Definition().Name(), PointInTime: time.Now().UTC(),
		Life: providers.Contained, In: s.env.Instance.HomeAddress,
	}, nil
}

// Discard implements providers.Strategy.
func (*strategy) Discard(context.Context, providers.BackupID) error { return nil }

// Restorer implements providers.Strategy. The database goes where the home goes.
func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	if target != "" {
		return nil, fmt.Errorf("%s lies in the home: %w", s.env.Address, providers.ErrElsewhere)
	}
	return restorer{strategy: s}, nil
}

type restorer struct {
	providers.BaseRestorer
	*strategy
}

// Check implements providers.Restorer.
func (s restorer) Check(_ context.Context, a providers.Artifact) (providers.Report, error) {
	r := providers.Report{Does: map[providers.Verb]string{
		providers.Restore: "check that the restored home contains the database",
	}}
	if a.Life != providers.Contained {
		r.Add(notInHome(a))
	}
	return r, nil
}

func notInHome(a providers.Artifact) *problem.Problem {
	return problem.New("backup holds no embedded database", fmt.Sprintf("%s was captured as %s", a.Address, a.Strategy),
		"declare the database as it was when the backup was made")
}

// Restore sees that the restored home holds the database.
func (s restorer) Restore(_ context.Context, a providers.Artifact) error {
	if a.Life != providers.Contained {
		return notInHome(a)
	}
	if p := s.inHome(); p != nil {
		return p
	}
	return nil
}

var _ providers.Rehearser = (*strategy)(nil)

// CheckRehearsal implements providers.Rehearser.
func (s *strategy) CheckRehearsal(ctx context.Context, a providers.Artifact, _ providers.Place) (providers.Report, error) {
	return restorer{strategy: s}.Check(ctx, a)
}

// Rehearse needs no server: the database comes with the home.
func (s *strategy) Rehearse(_ context.Context, _ providers.Artifact, place providers.Place) (providers.Rehearsal, error) {
	env := s.env
	env.Instance.Home = place.Home
	return rehearsal{&strategy{env: env}}, nil
}

type rehearsal struct{ into *strategy }

// Restorer implements providers.Rehearsal.
func (r rehearsal) Restorer() providers.Restorer { return restorer{strategy: r.into} }

// Named implements providers.Rehearsal. Only the instance itself can read the
// files.
func (rehearsal) Named(context.Context) ([]int64, bool, error) { return nil, false, nil }

// NotImitated implements providers.Rehearsal. No server takes part.
func (rehearsal) NotImitated() []string { return nil }

// Close implements providers.Rehearsal.
func (rehearsal) Close() error { return nil }
