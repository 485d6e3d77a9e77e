package lang_test

import (
	"time"

	"bkp/internal/secret"
	"bkp/providers"
)

// mirrorConfig has every type that an attribute can have.
type mirrorConfig struct {
	Path         string            `hcl:"path" help:"folder of the home"`
	DataStores   []string          `hcl:"data_stores,optional" help:"folders of data stores"`
	Repositories []int             `hcl:"exclude_repositories,optional" help:"ids of repositories to leave out"`
	Jobs         int               `hcl:"jobs,optional" help:"parallel workers"`
	Ratio        float64           `hcl:"ratio,optional" help:"share of the bandwidth"`
	Verify       bool              `hcl:"verify,optional" help:"read back what was written"`
	Timeout      time.Duration     `hcl:"timeout,optional" help:"longest pass"`
	Labels       map[string]string `hcl:"labels,optional" help:"labels of the backup"`
}

func (c *mirrorConfig) ValidateConfig() []providers.ConfigProblem {
	if c.Jobs >= 1 {
		return nil
	}
	return []providers.ConfigProblem{{
		Attribute: "jobs", Summary: "too few workers", Detail: "at least one worker must copy", Remedy: "set jobs to 1 or more",
	}}
}

type databaseConfig struct {
	Host     string        `hcl:"host" help:"server's name"`
	Port     int           `hcl:"port,optional" help:"server's port"`
	Password secret.String `hcl:"password,optional" help:"password of the role"`
}

type tarConfig struct {
	Destination string `hcl:"destination" help:"folder of the archives"`
}

type noConfig struct{}

func strategy[C any](C, providers.Env) (providers.Strategy, error) { return nil, nil }

func archiver[C any](C, providers.Env) (providers.Archiver, error) { return nil, nil }

func registry() *providers.Registry {
	return providers.NewRegistry(
		providers.Define(providers.Homes, "mirror", "copies", mirrorConfig{Jobs: 4}, strategy[mirrorConfig]),
		providers.Define(providers.Homes, "rsync", "copies with rsync", mirrorConfig{Jobs: 1, Timeout: time.Hour}, strategy[mirrorConfig]),
		providers.Define(providers.Homes, "none", "no home", noConfig{}, strategy[noConfig], providers.Empty()),
		providers.Define(providers.Databases, "postgresql", "dumps", databaseConfig{Port: 5432}, strategy[databaseConfig]),
		providers.Define(providers.Databases, "none", "no database", noConfig{}, strategy[noConfig], providers.Empty()),
		providers.Define(providers.Archives, "tar", "one file", tarConfig{}, archiver[tarConfig]),
		providers.Define(providers.Archives, "none", "no archive", noConfig{}, archiver[noConfig], providers.Empty()),
	)
}
