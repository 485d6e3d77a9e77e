// Package s3 is the strategy elasticsearch "s3": snapshots of the search index in a
// bucket, which the search server writes with the keys in its own keystore.
package s3

import (
	"slices"

	"bkp/providers"
	"bkp/providers/elasticsearch"
)

const name = `elasticsearch "s3"`

// Config is the block elasticsearch "s3".
type Config struct {
	elasticsearch.Login
	elasticsearch.Config

	Bucket   string `hcl:"bucket,optional" help:"bucket for the snapshots; the search server has the keys to it" unset:"as the repository is registered" example:"search-snapshots"`
	Region   string `hcl:"region,optional" help:"region of the bucket" unset:"as the search server is configured" example:"eu-central-1"`
	BasePath string `hcl:"base_path,optional" help:"folder in the bucket" unset:"the bucket itself" example:"bitbucket"`
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	return slices.Concat(c.Login.Validate(), c.Config.Validate(), c.ValidatePlace(elasticsearch.Need{Name: "bucket", Value: c.Bucket}))
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Searches, "s3", "snapshots of the search index, of Elasticsearch or OpenSearch, in a bucket", Config{Config: elasticsearch.Defaults()},
		func(c Config, env providers.Env) (providers.Strategy, error) {
			settings := elasticsearch.Settings("bucket", c.Bucket, "region", c.Region, "base_path", c.BasePath)
			return elasticsearch.New(name, c.Login, c.Config, elasticsearch.Store{Type: "s3", Settings: settings}, env), nil
		}, elasticsearch.Options()...)
}
