//go:build unix

// Package snapshot is an example of a home whose snapshots stay in the storage.
package snapshot

import (
	"cmp"
	"context"
	"errors"
	"os"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/providertest/example"
)

// Config of home "example_snapshot".
type Config struct {
	Path    string `hcl:"path" help:"folder of the home"`
	Storage string `hcl:"storage" help:"folder that stands for the storage"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Homes, "example_snapshot", "an example of a native snapshot", Config{},
		func(c Config, env providers.Env) (providers.Strategy, error) {
			return &strategy{Storage: example.Storage{Dir: c.Storage}, cfg: c, env: env}, nil
		}, providers.Yields(providers.Native))
}

type strategy struct {
	providers.Base
	example.Storage

	cfg Config
	env providers.Env
}

var (
	_ providers.Keeper           = (*strategy)(nil)
	_ providers.RepositoryHolder = restorer{}
)

func (s *strategy) Paths() providers.Paths { return providers.Paths{Home: s.cfg.Path} }

func (s *strategy) Check(context.Context) (providers.Report, error) {
	r := providers.Report{Estimate: providers.Estimate{Bytes: 1 << 50}, Does: map[providers.Verb]string{providers.Capture: "take a snapshot of " + s.cfg.Path}}
	if _, err := os.Stat(s.cfg.Path); err != nil {
		r.Add(problem.Wrap(err, "home not found", "correct path"))
	}
	return r, nil
}

func (s *strategy) Capture(_ context.Context, b providers.BackupID) (providers.Artifact, error) {
	at := time.Now().UTC()
	if err := os.CopyFS(s.Path(b), os.DirFS(s.cfg.Path)); err != nil {
		return providers.Artifact{}, err
	}
	s.DieAt(providers.Capture)
	return providers.Artifact{
		Address: s.env.Address, Strategy: Definition().Name(), PointInTime: at, Life: providers.Native, Ref: map[string]string{"snapshot": string(b)},
	}, nil
}

func (s *strategy) Keep(_ context.Context, m providers.Manifest, a providers.Artifact) (providers.Artifact, error) {
	if err := s.Tag(m); err != nil {
		return a, err
	}
	s.DieAt(providers.Store)
	return a, nil
}

func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	return restorer{strategy: s, to: cmp.Or(target, s.cfg.Path)}, nil
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
	entries, err := os.ReadDir(s.to)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return problem.New("home is not empty", s.to, "choose another folder")
	}
	return os.CopyFS(s.to, os.DirFS(s.Path(providers.BackupID(a.Ref["snapshot"]))))
}

func (restorer) Repositories(context.Context, providers.Artifact) (providers.RepositorySet, error) {
	return providers.RepositorySet{}, nil
}
