package zfs

import (
	"fmt"

	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
)

const typ = "zfs"

// Config is the block home "zfs".
type Config struct {
	home.Config
	Options
}

// NodeConfig is the block mesh_node "zfs".
type NodeConfig struct {
	home.NodeConfig
	Options
}

// Options is what both blocks say of the snapshots.
type Options struct {
	Datasets []string `hcl:"datasets,optional" help:"the datasets that the home and its data stores lie on, to be refused if it is others" unset:"found from the mounts" example:"[\"tank/bitbucket\"]"`
	MaxUsed  int      `hcl:"max_used,optional" help:"percent of a pool that may be in use; above it, no snapshot is taken"`
}

var (
	_ providers.ConfigValidator = (*Config)(nil)
	_ providers.ConfigValidator = (*NodeConfig)(nil)
)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	return append(c.Config.ValidateConfig(), c.validate()...)
}

// ValidateConfig implements providers.ConfigValidator.
func (c *NodeConfig) ValidateConfig() []providers.ConfigProblem {
	return append(c.NodeConfig.ValidateConfig(), c.validate()...)
}

func (c *Options) validate() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	if c.MaxUsed < 1 || c.MaxUsed > 100 {
		out = append(out, providers.ConfigProblem{
			Attribute: "max_used", Summary: "not a share", Detail: fmt.Sprintf("%d is no number of percent", c.MaxUsed), Remedy: "give a number from 1 to 100",
		})
	}
	return out
}

func defaults() Options {
	const maxUsed = 90
	return Options{MaxUsed: maxUsed}
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Homes, typ, "snapshots of the datasets that the home lies on", Config{home.Defaults(), defaults()},
		func(c Config, env providers.Env) (providers.Strategy, error) { return open(c, env), nil }, append(snapshot.Options(), providers.Live())...)
}

// NodeDefinition describes the strategy for the home of a Mesh node.
func NodeDefinition() providers.Definition {
	return providers.Define(providers.MeshNodes, typ, "snapshots of the datasets that the home lies on", NodeConfig{home.NodeDefaults(), defaults()},
		func(c NodeConfig, env providers.Env) (providers.Strategy, error) {
			return open(Config{c.Home(), c.Options}, env), nil
		}, append(snapshot.Options(), providers.Live())...)
}

func open(c Config, env providers.Env) *snapshot.Home {
	return snapshot.New(typ, &storage{tool: tool{env.Host}, config: c}, c.Config, env)
}
