package tree

import (
	"context"

	"bkp/providers"
	"bkp/providers/archive/place"
	"bkp/providers/archive/place/folder"
)

// Config is the block archive "tree".
type Config struct {
	providers.Retained

	Destination string `hcl:"destination" help:"folder in which the trees are kept; on the file system of the state folder or of the snapshots, XFS or btrfs" example:"/backup/trees"`
	Copy        bool   `hcl:"copy,optional" help:"copy what cannot share its blocks, such as from another file system: every backup then takes its full size"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Archives, "tree", "a folder for each backup, which shares its blocks with the working copy (reflinks of XFS and btrfs)",
		Config{},
		func(cfg Config, env providers.Env) (providers.Archiver, error) {
			at, err := folder.New(cfg.Destination)
			if err != nil {
				return nil, err
			}
			return &archive{cfg: cfg, env: env, place: at, dir: at.Destination().Folder}, nil
		})
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	if c.Destination != "" {
		return nil
	}
	return []providers.ConfigProblem{{
		Attribute: "destination", Summary: "value missing", Detail: "destination is empty",
		Remedy: "name a folder, on the file system of the state folder",
	}}
}

// archive keeps trees, and beside them in a place the documents about them.
type archive struct {
	cfg   Config
	env   providers.Env
	place place.Place
	dir   string // of the destination
	// fault is asked before each file is read, nil for nothing. For tests.
	fault func(name string) error
}

var _ providers.Archiver = (*archive)(nil)

// Destination implements providers.Archiver.
func (a *archive) Destination() providers.Destination { return a.place.Destination() }

// Reserve implements providers.Archiver.
func (a *archive) Reserve(ctx context.Context, b providers.BackupID) error {
	return a.shelf().Claims().Reserve(ctx, b)
}

// Reserved implements providers.Reserver.
func (a *archive) Reserved(ctx context.Context, b providers.BackupID) (bool, error) {
	return a.shelf().Claims().Held(ctx, b)
}
