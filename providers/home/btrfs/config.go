package btrfs

import (
	"fmt"
	"path/filepath"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
)

const typ = "btrfs"

// Config is the block home "btrfs".
type Config struct {
	home.Config
	Options
}

// NodeConfig is the block mesh_node "btrfs".
type NodeConfig struct {
	home.NodeConfig
	Options
}

// Options is what both blocks say of the snapshots.
type Options struct {
	Snapshots []string `hcl:"snapshots,optional" help:"folders that hold the snapshots: outside the home, and one on each btrfs file system of it" unset:"the folder .bkp-snapshots where the file system around the home is mounted" example:"[\"/data/.bkp-snapshots\"]"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	// Not providers.Live: while users write, a file that was just written may be in the
	// snapshot without its content, as after a power cut.
	return providers.Define(providers.Homes, typ, "read-only snapshots of the btrfs subvolumes that hold the home", Config{Config: home.Defaults()}, open, snapshot.Options()...)
}

// NodeDefinition describes the strategy for the home of a Mesh node.
func NodeDefinition() providers.Definition {
	return providers.Define(providers.MeshNodes, typ, "read-only snapshots of the btrfs subvolumes that hold the home", NodeConfig{NodeConfig: home.NodeDefaults()},
		func(c NodeConfig, env providers.Env) (providers.Strategy, error) {
			return open(Config{c.Home(), c.Options}, env)
		}, snapshot.Options()...)
}

func open(c Config, env providers.Env) (providers.Strategy, error) {
	return snapshot.New(typ, newStorage(c, env.Host), c.Config, env), nil
}

var (
	_ providers.ConfigValidator = (*Config)(nil)
	_ providers.ConfigValidator = (*NodeConfig)(nil)
)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	return append(c.Config.ValidateConfig(), c.outside(append([]string{c.Path}, c.DataStores...))...)
}

// ValidateConfig implements providers.ConfigValidator.
func (c *NodeConfig) ValidateConfig() []providers.ConfigProblem {
	return append(c.NodeConfig.ValidateConfig(), c.outside([]string{c.Path})...)
}

// outside finds folders of snapshots that lie in what is backed up.
func (c *Options) outside(roots []string) []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: "snapshots", Summary: summary, Detail: detail, Remedy: remedy})
	}
	for _, dir := range c.Snapshots {
		if !filepath.IsAbs(dir) {
			add("path is not absolute", fmt.Sprintf("%q depends on where bkp is started", dir), "begin it with /")
			continue
		}
		for _, root := range roots {
			if home.Within(dir, root) {
				add("folders overlap", fmt.Sprintf("%s lies in %s, which is backed up", dir, root), "choose a folder outside, on the same file system")
			}
		}
	}
	return out
}

// storage implements snapshot.Storage.
type storage struct {
	tool tool
	// configured are the folders for snapshots, none for the usual ones.
	configured []string
	// live are the folders whose file systems may hold snapshots.
	live []string
}

var _ snapshot.Storage = (*storage)(nil)

func newStorage(c Config, h *host.Host) *storage {
	return &storage{tool: tool{h}, configured: c.Snapshots, live: append([]string{c.Path}, c.DataStores...)}
}
