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
	Recipients  string `help:"File with public keys of age to encrypt for."`
}

// open opens archive "tar".
func (t *target) open() (providers.Archiver, error) {
	def, _ := all.Registry().Lookup(providers.Archives.Name(), "tar")
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		switch {
		case a.Name == "destination":
			a.Field(cfg).SetString(t.Destination)
		case a.Name == "endpoint":
			a.Field(cfg).SetString(t.Endpoint)
		case a.Name == "path_style":
			a.Field(cfg).SetBool(t.Endpoint != "")
		case a.Refers == providers.Encryptions.Name() && t.Recipients != "":
			a.Refer(cfg, []string{"encryption.age.bench"})
		}
	}
	e := env("archive.tar.bench", t.Destination)
	e.Open = func(string) (any, error) { return openAge(t.Recipients) }
	return providers.Archives.Open(def, cfg, e)
}

type storeCmd struct {
	target
	Tree string `required:""`
}

// Run stores a tree by archive "tar".
func (c *storeCmd) Run(ctx context.Context) error {
	a, err := c.open()
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
	a, err := c.open()
	if err != nil {
		return err
	}
	_, err = a.Fetch(ctx, benchID, func(providers.Artifact) string { return c.To })
	return err
}

// openAge opens encryption "age" for the recipients in a file.
func openAge(recipients string) (providers.Sealer, error) {
	def, _ := all.Registry().Lookup(providers.Encryptions.Name(), "age")
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		if a.Name == "recipients_file" {
			a.Field(cfg).SetString(recipients)
		}
	}
	return providers.Encryptions.Open(def, cfg, env("encryption.age.bench", ""))
}
