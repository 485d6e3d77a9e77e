//go:build unix

// Package remote is an example of a database whose service takes its time to
// finish a snapshot.
package remote

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/providertest/example"
)

// Config of database "example_remote".
type Config struct {
	Service string `hcl:"service" help:"folder that stands for the service: its file live is the database"`
	Target  string `hcl:"target,optional" help:"file to restore to" unset:"live"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Databases, "example_remote", "an example of a snapshot that is finished later", Config{},
		func(c Config, env providers.Env) (providers.Strategy, error) {
			return &strategy{Storage: example.Storage{Dir: c.Service}, cfg: c, env: env}, nil
		}, providers.Yields(providers.Native), providers.Does(providers.Finish))
}

type strategy struct {
	providers.Base
	example.Storage

	cfg Config
	env providers.Env
}

var (
	_ providers.Keeper    = (*strategy)(nil)
	_ providers.Rehearser = (*strategy)(nil)
)

func (s *strategy) Check(context.Context) (providers.Report, error) {
	return providers.Report{Does: map[providers.Verb]string{providers.Capture: "begin a snapshot in the service", providers.Finish: "wait for the snapshot"}}, nil
}

// Capture begins the snapshot: the service has the state of this instant, and
// works on it.
func (s *strategy) Capture(_ context.Context, b providers.BackupID) (providers.Artifact, error) {
	text, err := os.ReadFile(filepath.Join(s.cfg.Service, "live"))
	if err != nil {
		return providers.Artifact{}, err
	}
	if err := os.WriteFile(s.Path(b)+".running", text, 0o600); err != nil {
		return providers.Artifact{}, err
	}
	return providers.Artifact{
		Address: s.env.Address, Strategy: Definition().Name(), PointInTime: time.Now().UTC(), Life: providers.Pending, Ref: map[string]string{"snapshot": string(b)},
	}, nil
}

// Finish waits while the service holds a file "busy", and fails while it holds
// one "down".
func (s *strategy) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	s.DieAt(providers.Finish)
	b := providers.BackupID(a.Ref["snapshot"])
	if _, err := os.Stat(filepath.Join(s.cfg.Service, "down")); err == nil {
		return a, problem.New("service does not answer", s.cfg.Service, "go on later")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(filepath.Join(s.cfg.Service, "busy")); err != nil {
			break
		}
		select {
		case <-ctx.Done():
			return a, context.Cause(ctx)
		case <-tick.C:
		}
	}
	if _, err := os.Stat(s.Path(b)); err != nil { // by the one that finished it before
		if err := os.Rename(s.Path(b)+".running", s.Path(b)); err != nil {
			return a, err
		}
	}
	a.Life = providers.Native
	return a, nil
}

func (s *strategy) Keep(_ context.Context, m providers.Manifest, a providers.Artifact) (providers.Artifact, error) {
	return a, s.Tag(m)
}

func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	return restorer{strategy: s, to: cmp.Or(target, s.cfg.Target, filepath.Join(s.cfg.Service, "live"))}, nil
}

type restorer struct {
	providers.BaseRestorer
	*strategy
	to string
}

func (s restorer) Check(context.Context, providers.Artifact) (providers.Report, error) {
	return providers.Report{}, nil
}

func (s restorer) Restore(_ context.Context, a providers.Artifact) error {
	if _, err := os.Stat(s.to); err == nil {
		return problem.New("database is not empty", s.to, "choose another one")
	}
	text, err := os.ReadFile(s.Path(providers.BackupID(a.Ref["snapshot"])))
	if err != nil {
		return err
	}
	return os.WriteFile(s.to, text, 0o600)
}

func (s *strategy) CheckRehearsal(context.Context, providers.Artifact, providers.Place) (providers.Report, error) {
	return providers.Report{}, nil
}

func (s *strategy) Rehearse(_ context.Context, _ providers.Artifact, place providers.Place) (providers.Rehearsal, error) {
	if err := os.MkdirAll(place.Dir, 0o700); err != nil {
		return nil, err
	}
	to, err := s.Restorer(filepath.Join(place.Dir, "live"))
	return rehearsal{to}, err
}

type rehearsal struct{ into providers.Restorer }

func (r rehearsal) Restorer() providers.Restorer               { return r.into }
func (rehearsal) Named(context.Context) ([]int64, bool, error) { return nil, true, nil }
func (rehearsal) NotImitated() []string                        { return nil }
func (rehearsal) Close() error                                 { return nil }
