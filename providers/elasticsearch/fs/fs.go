// Package fs is the strategy elasticsearch "fs": snapshots of the search index in a
// folder that every node of the search server sees at the same path.
package fs

import (
	"slices"

	"bkp/providers"
	"bkp/providers/elasticsearch"
)

const name = `elasticsearch "fs"`

// Config is the block elasticsearch "fs".
type Config struct {
	elasticsearch.Login
	elasticsearch.Config

	Location string `hcl:"location,optional" help:"folder for the snapshots, as the search server sees it; it is in path.repo of every node" unset:"as the repository is registered" example:"/mnt/search-snapshots"`
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	return slices.Concat(c.Login.Validate(), c.Config.Validate(), c.ValidatePlace(elasticsearch.Need{Name: "location", Value: c.Location}))
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Searches, "fs", "snapshots of the search index, of Elasticsearch or OpenSearch, in a folder that its nodes share", Config{Config: elasticsearch.Defaults()},
		func(c Config, env providers.Env) (providers.Strategy, error) {
			settings := elasticsearch.Settings("location", c.Location)
			return elasticsearch.New(name, c.Login, c.Config, elasticsearch.Store{Type: "fs", Settings: settings}, env), nil
		}, elasticsearch.Options()...)
}
