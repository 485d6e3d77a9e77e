package btrfs

import (
	"fmt"
	"path/filepath"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
)

// Config is the block home "btrfs".
type Config struct {
	home.Config
	Snapshots []string `hcl:"snapshots,optional" help:"folders that hold the snapshots: outside the home, and one on each btrfs file system of it" unset:"the folder .bkp-snapshots where the file system around the home is mounted" example:"[\"/data/.bkp-snapshots\"]"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	// Not providers.Live: while users write, a file that was just written may be in the
	// snapshot without its content, as after a power cut.
	return providers.Define(providers.Homes, "btrfs", "read-only snapshots of the btrfs subvolumes that hold the home", Config{Config: home.Defaults()}, open, snapshot.Options()...)
}

func open(c Config, env providers.Env) (providers.Strategy, error) {
	return snapshot.New(`home "btrfs"`, newStorage(c, env.Host), c.Config, env), nil
}

var _ providers.ConfigValidator = (*Config)(nil)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := c.Config.ValidateConfig()
	add := func(summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: "snapshots", Summary: summary, Detail: detail, Remedy: remedy})
	}
	for _, dir := range c.Snapshots {
		if !filepath.IsAbs(dir) {
			add("path is not absolute", fmt.Sprintf("%q depends on where bkp is started", dir), "begin it with /")
			continue
		}
		for _, root := range append([]string{c.Path}, c.DataStores...) {
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
