package zfs

import (
	"fmt"

	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
)

// Config is the block home "zfs".
type Config struct {
	home.Config
	Datasets []string `hcl:"datasets,optional" help:"the datasets that the home and its data stores lie on, to be refused if it is others" unset:"found from the mounts" example:"[\"tank/bitbucket\"]"`
	MaxUsed  int      `hcl:"max_used,optional" help:"percent of a pool that may be in use; above it, no snapshot is taken"`
}

var _ providers.ConfigValidator = (*Config)(nil)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := c.Config.ValidateConfig()
	if c.MaxUsed < 1 || c.MaxUsed > 100 {
		out = append(out, providers.ConfigProblem{
			Attribute: "max_used", Summary: "not a share", Detail: fmt.Sprintf("%d is no number of percent", c.MaxUsed), Remedy: "give a number from 1 to 100",
		})
	}
	return out
}

// Definition describes the strategy.
func Definition() providers.Definition {
	const maxUsed = 90
	defaults := Config{Config: home.Defaults(), MaxUsed: maxUsed}
	return providers.Define(providers.Homes, "zfs", "snapshots of the datasets that the home lies on", defaults,
		func(c Config, env providers.Env) (providers.Strategy, error) { return open(c, env), nil }, append(snapshot.Options(), providers.Live())...)
}

func open(c Config, env providers.Env) *snapshot.Home {
	return snapshot.New(`home "zfs"`, &storage{tool: tool{env.Host}, config: c}, c.Config, env)
}
