package home

import (
	"strings"

	"bkp/providers"
)

// NodeConfig is what the blocks of all strategies of Mesh nodes have in common.
// They embed it. What to leave out of a node is not to be chosen: its database
// knows its repositories, and the instance which node has which.
type NodeConfig struct {
	providers.Placed

	Path       string `hcl:"path" help:"folder of the node's home, the one that holds mesh.properties" example:"/var/atlassian/application-data/mesh"`
	Node       string `hcl:"node,optional" help:"name or id of the node in Bitbucket" unset:"the name of the block, or its key with for_each"`
	MaxMissing int    `hcl:"max_missing,optional" help:"percent of the files or repositories of the last backup that may be gone; more is refused, as that is most likely a file system that is not mounted"`
	Owner      string `hcl:"owner,optional" help:"who owns restored files: USER or USER:GROUP, by name or id" unset:"as it was when it was backed up"`
}

// NodeDefaults are the values of attributes that are left out.
func NodeDefaults() NodeConfig { return NodeConfig{MaxMissing: Defaults().MaxMissing} }

// Home is the configuration of the node's home, with the layout and the rules of
// a Mesh node.
func (c NodeConfig) Home() Config {
	return Config{Path: c.Path, MaxMissing: c.MaxMissing, Owner: c.Owner, mesh: true}
}

var _ providers.ConfigValidator = (*NodeConfig)(nil)

// ValidateConfig implements providers.ConfigValidator.
func (c *NodeConfig) ValidateConfig() []providers.ConfigProblem {
	h := c.Home()
	return h.ValidateConfig()
}

// NodeName implements providers.NodeNamer.
func (c *NodeConfig) NodeName(address string) string {
	if c.Node != "" {
		return c.Node
	}
	if head, key, ok := strings.Cut(address, "["); ok && head != "" {
		return strings.Trim(strings.TrimSuffix(key, "]"), `"`)
	}
	return address[strings.LastIndexByte(address, '.')+1:]
}

// layout is where a home has what bkp must know of.
type layout struct {
	rules func(Options) providers.Rules
	// repositories is the folder that holds them, depth levels below.
	repositories string
	depth        int
	// roots are folders at which a file system commonly begins.
	roots []string
	// whole are folders that a link must not lead out of the home.
	whole []string
}

// meshTrusted is the folder of the repositories of a Mesh node, such as
// store/p/0027/h/HIERARCHY/r/ID.
const (
	meshTrusted = "store/p"
	meshDepth   = 5
)

func (c *Config) layout() layout {
	if c.mesh {
		return layout{
			rules: func(Options) providers.Rules { return MeshRules() }, repositories: meshTrusted, depth: meshDepth,
			roots: meshRoots, whole: []string{"data", "store", meshTrusted},
		}
	}
	return layout{
		rules: DataCenterRules, repositories: trusted, depth: 1, roots: homeRoots,
		whole: []string{"data", "shared", "shared/config", "shared/data", "shared/data/attachments", "shared/data/git-lfs", trusted},
	}
}

// OfNode reports whether the configuration is that of a Mesh node's home.
func (c *Config) OfNode() bool { return c.mesh }

// Named is the name of a strategy of a type in artifacts: home "TYPE", or that
// of a Mesh node.
func (c *Config) Named(typ string) string {
	kind := providers.Homes.Name()
	if c.mesh {
		kind = providers.MeshNodes.Name()
	}
	return kind + ` "` + typ + `"`
}
