package main

import (
	"context"
	"errors"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/all"
)

const benchID = providers.BackupID("bench-20261122T214431Z")

func env(address, work string) providers.Env {
	return providers.Env{Address: address, WorkDir: work, Host: &host.Host{}, Instance: providers.Instance{Name: "bench", EmbeddedDatabase: true}, Parallelism: 2}
}

// openMirror opens home "mirror"; warn may be nil.
func openMirror(home, work string, warn func(string)) (providers.Strategy, error) {
	def, _ := all.Registry().Lookup(providers.Homes.Name(), "mirror")
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		if a.Name == "path" {
			a.Field(cfg).SetString(home)
		}
	}
	e := env("home.mirror.bench", work)
	e.Warn = warn
	return providers.Homes.Open(def, cfg, e)
}

type passCmd struct {
	Home string `required:""`
	Work string `required:""`
}

// Run makes one live pass of home "mirror".
func (c *passCmd) Run(ctx context.Context) error {
	s, err := openMirror(c.Home, c.Work, nil)
	if err != nil {
		return err
	}
	return errors.Join(s.Prepare(ctx, benchID), s.Close())
}

// target is where archive "tar" keeps a backup: a folder, or a bucket. Keys of a store
// come from the environment.
type target struct {
	Destination string `required:""`
	Endpoint    string `help:"URL of the store of a bucket."`
}

// open opens archive "tar". It keeps its own state in work.
func (t *target) open(work string) (providers.Archiver, error) {
	def, _ := all.Registry().Lookup(providers.Archives.Name(), "tar")
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		switch a.Name {
		case "destination":
			a.Field(cfg).SetString(t.Destination)
		case "endpoint":
			a.Field(cfg).SetString(t.Endpoint)
		case "path_style":
			a.Field(cfg).SetBool(t.Endpoint != "")
		}
	}
	return providers.Archives.Open(def, cfg, env("archive.tar.bench", work))
}

type storeCmd struct {
	target
	Tree string `required:""`
}

// Run stores a tree by archive "tar".
func (c *storeCmd) Run(ctx context.Context) error {
	a, err := c.open(c.Destination)
	if err != nil {
		return err
	}
	_, err = a.Store(ctx, providers.Manifest{
		Format: providers.ManifestFormat, ID: benchID, Instance: "bench",
		Artifacts: []providers.Artifact{{Address: "home.mirror.bench", Life: providers.Staged, Trees: providers.OneTree(c.Tree)}},
	}, nil)
	return err
}

type fetchCmd struct {
	target
	To string `required:"" help:"Folder that does not exist yet."`
}

// Run unpacks what store stored.
func (c *fetchCmd) Run(ctx context.Context) error {
	a, err := c.open(c.Destination)
	if err != nil {
		return err
	}
	_, err = a.Fetch(ctx, benchID, func(providers.Artifact) string { return c.To })
	return err
}
