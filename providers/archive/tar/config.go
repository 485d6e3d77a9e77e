package tar

import (
	"fmt"

	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
	"bkp/providers/archive/place/folder"
	"bkp/providers/archive/place/s3"
)

// Config is the block archive "tar".
type Config struct {
	providers.Retained

	Destination string `hcl:"destination" help:"folder in which the archives are kept, or s3://BUCKET/PREFIX" example:"s3://backups/bitbucket"`
	Compression string `hcl:"compression,optional" help:"zstd, gzip or none"`
	Level       int    `hcl:"level,optional" help:"compression level: 1 to 22 for zstd, 1 to 9 for gzip" unset:"the compressor's own choice"`

	// Config are the attributes of an object store.
	s3.Config

	Encryption providers.Ref[providers.Sealer] `hcl:"encryption,optional" kind:"encryption" help:"for whom the archives are encrypted" unset:"they are not encrypted"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Archives, "tar", "one compressed tar file for each part of a backup, in a folder or an object store",
		Config{Compression: "zstd", Config: s3.Defaults()},
		func(cfg Config, env providers.Env) (providers.Archiver, error) {
			at, err := cfg.place()
			if err != nil {
				return nil, err
			}
			a := &archive{cfg: cfg, env: env, place: at}
			if cfg.Encryption.IsSet() {
				a.sealer, err = cfg.Encryption.Open()
			}
			return a, err
		}, providers.ReadsFar(), providers.Configured(func(cfg Config) []providers.Option {
			if !cfg.worksThere() {
				return nil
			}
			return []providers.Option{providers.StoresThere()}
		}))
}

// place is where the destination is.
func (c *Config) place() (place.Place, error) {
	if s3.IsAddress(c.Destination) {
		return s3.New(c.Destination, c.Config)
	}
	return folder.New(c.Destination)
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	if c.Destination == "" {
		out = append(out, providers.ConfigProblem{Attribute: "destination", Summary: "value missing", Detail: "destination is empty", Remedy: "name a folder, best on another machine's disk, or a bucket"})
	}
	if s3.IsAddress(c.Destination) {
		out = append(out, c.Validate(c.Destination)...)
	} else {
		out = append(out, c.Foreign()...)
	}
	f, ok := formats[c.Compression]
	if !ok {
		out = append(out, providers.ConfigProblem{
			Attribute: "compression", Summary: "unknown compression",
			Detail: fmt.Sprintf("there is no compression %q", c.Compression), Remedy: `give one of "zstd", "gzip" and "none"`,
		})
	}
	if ok && (c.Level < 0 || c.Level > f.maxLevel) {
		out = append(out, providers.ConfigProblem{
			Attribute: "level", Summary: "invalid compression level",
			Detail: fmt.Sprintf("%s has no level %d", c.Compression, c.Level), Remedy: fmt.Sprintf("give one from 1 to %d, or leave it out", f.maxLevel),
		})
	}
	return out
}

// archive writes one format, and reads all.
type archive struct {
	cfg   Config
	env   providers.Env
	place place.Place
	// sealer encrypts the objects; nil if nothing does.
	sealer providers.Sealer
	// read takes how many stored bytes were read, nil for nobody: see counted.
	read *shelf.Progress
	// fault is asked before each file is read, nil for nothing. For tests.
	fault func(name string) error
}

var _ providers.Archiver = (*archive)(nil)

// Destination implements providers.Archiver.
func (a *archive) Destination() providers.Destination { return a.place.Destination() }
