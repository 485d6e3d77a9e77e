package main

import (
	"cmp"
	"context"
	"errors"
	"reflect"

	"bkp/internal/host"
	"bkp/internal/secret"
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

// target is where an archive keeps a backup: a folder, a bucket, or a repository of
// restic in a folder. Keys of a store come from the environment.
type target struct {
	Kind        string             `default:"tar" enum:"tar,restic"`
	ID          providers.BackupID `default:"bench-20261122T214431Z"`
	Destination string             `required:""`
	Endpoint    string             `help:"URL of the store of a bucket."`
	Recipients  string             `help:"File with public keys of age to encrypt for."`
	Identity    []string           `help:"File with a secret key of age."`
	Program     string             `help:"Program of restic."`
	Work        string             `help:"Folder of the archive's own; the destination if not given."`
}

// resticPassword is that of the repositories of the bench.
const resticPassword = "bench"

// open opens the archive.
func (t *target) open() (providers.Archiver, error) {
	def, _ := all.Registry().Lookup(providers.Archives.Name(), t.Kind)
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		switch {
		case a.Name == "destination" || a.Name == "repository":
			a.Field(cfg).SetString(t.Destination)
		case a.Name == "endpoint":
			a.Field(cfg).SetString(t.Endpoint)
		case a.Name == "path_style":
			a.Field(cfg).SetBool(t.Endpoint != "")
		case a.Name == "binary":
			a.Field(cfg).SetString(t.Program)
		case a.Name == "password":
			a.Field(cfg).Set(reflect.ValueOf(secret.New(resticPassword)))
		case a.Name == "init":
			a.Field(cfg).SetBool(true)
		case a.Refers == providers.Encryptions.Name() && t.Recipients != "":
			a.Refer(cfg, []string{"encryption.age.bench"})
		}
	}
	e := env("archive."+t.Kind+".bench", cmp.Or(t.Work, t.Destination))
	e.Identities = t.Identity
	e.Open = func(string) (any, error) { return openAge(t.Recipients, t.Identity) }
	return providers.Archives.Open(def, cfg, e)
}

type storeCmd struct {
	target
	Tree   string `required:""`
	Home   string `help:"Home whose working copy the tree is, to compare with what the mirror recorded."`
	Mirror string `help:"Folder of the mirror."`
}

// Run stores a tree.
func (c *storeCmd) Run(ctx context.Context) (err error) {
	a, err := c.open()
	if err != nil {
		return err
	}
	art := providers.Artifact{Address: "home.mirror.bench", Life: providers.Staged, Trees: providers.OneTree(c.Tree)}
	records := providers.Records{}
	if c.Home != "" {
		r, err := c.record(ctx, art)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		records[art.Address] = r
	}
	if err := a.Reserve(ctx, c.ID); err != nil {
		return err
	}
	_, err = a.Store(ctx, providers.Manifest{
		Format: providers.ManifestFormat, ID: c.ID, Instance: "bench", Artifacts: []providers.Artifact{art},
	}, records)
	return errors.Join(err, a.Discard(ctx, c.ID))
}

// record opens the mirror's record of the tree.
func (c *storeCmd) record(ctx context.Context, art providers.Artifact) (providers.Record, error) {
	s, err := openMirror(c.Home, c.Mirror, nil)
	if err != nil {
		return nil, err
	}
	r, ok := providers.As[providers.Recorder](s)
	if !ok {
		return nil, errors.Join(errors.New("the mirror records nothing"), s.Close())
	}
	record, err := r.Record(ctx, art)
	return record, errors.Join(err, s.Close())
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
	_, err = a.Fetch(ctx, c.ID, func(providers.Artifact) string { return c.To })
	return err
}

// openAge opens encryption "age" for the recipients in a file, with secret keys.
func openAge(recipients string, identities []string) (providers.Sealer, error) {
	def, _ := all.Registry().Lookup(providers.Encryptions.Name(), "age")
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		if a.Name == "recipients_file" {
			a.Field(cfg).SetString(recipients)
		}
	}
	e := env("encryption.age.bench", "")
	e.Identities = identities
	return providers.Encryptions.Open(def, cfg, e)
}
