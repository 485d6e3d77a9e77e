package lvm

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
)

const typ = "lvm"

// Config is the block home "lvm".
type Config struct {
	home.Config
	Options
}

// NodeConfig is the block mesh_node "lvm".
type NodeConfig struct {
	home.NodeConfig
	Options
}

// Options is what both blocks say of the snapshots.
type Options struct {
	Volumes      []string `hcl:"volumes,optional" help:"the logical volumes that the home and its data stores lie on, as GROUP/NAME, to be refused if it is others" unset:"found from the mounts" example:"[\"data/bitbucket\"]"`
	SnapshotSize string   `hcl:"snapshot_size,optional" help:"space of a classic snapshot for what users change while it is read: percent of the volume, or a size such as 20GiB"`
	MaxUsed      int      `hcl:"max_used,optional" help:"percent of a thin pool's data or metadata that may be in use; above it, no snapshot is taken"`
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
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	for _, v := range c.Volumes {
		if group, name, ok := strings.Cut(v, "/"); !ok || group == "" || name == "" || strings.Contains(name, "/") {
			add("volumes", "not a volume", fmt.Sprintf("%q is not GROUP/NAME", v), "write it as lvs does: data/bitbucket")
		}
	}
	if _, err := c.size(math.MaxInt32); err != nil {
		add("snapshot_size", "not a size", fmt.Sprintf("%q: %v", c.SnapshotSize, err), "write 20%, or 20GiB")
	}
	if c.MaxUsed < 1 || c.MaxUsed > 100 {
		add("max_used", "not a share", fmt.Sprintf("%d is no number of percent", c.MaxUsed), "give a number from 1 to 100")
	}
	return out
}

// size is how much space a classic snapshot of a volume gets, in bytes.
func (c *Options) size(volume int64) (int64, error) {
	if share, ok := strings.CutSuffix(c.SnapshotSize, "%"); ok {
		percent, err := strconv.Atoi(share)
		if err != nil || percent < 1 || percent > 100 {
			return 0, fmt.Errorf("%s is no number of percent from 1 to 100", share)
		}
		return volume / 100 * int64(percent), nil
	}
	n, err := humanize.ParseBytes(c.SnapshotSize)
	const least = 4 << 20 // LVM's usual extent
	if err == nil && n < least {
		err = fmt.Errorf("it is less than %s", humanize.IBytes(least))
	}
	return int64(n), err
}

func defaults() Options {
	const maxUsed = 80
	return Options{SnapshotSize: "20%", MaxUsed: maxUsed}
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Homes, typ, "snapshots of the logical volumes that the home lies on", Config{home.Defaults(), defaults()},
		func(c Config, env providers.Env) (providers.Strategy, error) { return open(c, env), nil }, append(snapshot.Options(), providers.Live())...)
}

// NodeDefinition describes the strategy for the home of a Mesh node.
func NodeDefinition() providers.Definition {
	return providers.Define(providers.MeshNodes, typ, "snapshots of the logical volumes that the home lies on", NodeConfig{home.NodeDefaults(), defaults()},
		func(c NodeConfig, env providers.Env) (providers.Strategy, error) {
			return open(Config{c.Home(), c.Options}, env), nil
		}, append(snapshot.Options(), providers.Live())...)
}

func open(c Config, env providers.Env) *snapshot.Home {
	return snapshot.New(typ, &storage{tool: tool{env.Host}, config: c}, c.Config, env)
}
