// Package vault has example strategies with references and nested blocks: archives
// that are sealed by keys, and a database that lies in the home.
package vault

import "bkp/providers"

type (
	// Sealer is what an encryption opens.
	Sealer interface{ Key() *Keys }
	// Keys seal.
	Keys struct{ Address string }

	vaultConfig struct {
		Encryption providers.Ref[Sealer] `hcl:"encryption" kind:"encryption" help:"how it is sealed"`
		TLS        *tlsConfig            `hcl:"tls,block" help:"how the connection is encrypted"`
	}
	tlsConfig struct {
		CAFile string `hcl:"ca_file" help:"file of the authority"`
	}
	// Vault is an archive.
	Vault struct {
		providers.Archiver
		Sealed Sealer
	}
	// Part is a home or a database.
	Part struct {
		providers.Strategy
		Env providers.Env
	}
)

// Key implements Sealer.
func (k *Keys) Key() *Keys { return k }

// Destination implements providers.Archiver.
func (Vault) Destination() providers.Destination { return providers.Destination{} }

// Paths implements providers.Strategy.
func (Part) Paths() providers.Paths { return providers.Paths{Home: "/srv/home"} }

// Registry lists the strategies.
func Registry() *providers.Registry {
	encryptions := providers.NewKind[Sealer]("encryption", providers.About{Summary: "how backups are sealed", Plural: "encryptions"})
	open := func(_ struct{}, env providers.Env) (providers.Strategy, error) { return Part{Env: env}, nil }
	return providers.NewRegistry(
		providers.Define(providers.Homes, "disk", "a home", struct{}{}, open),
		providers.Define(providers.Databases, "inner", "in the home", struct{}{}, open, providers.Inside(providers.Homes)),
		providers.Define(providers.Archives, "vault", "a vault", vaultConfig{}, func(c vaultConfig, _ providers.Env) (providers.Archiver, error) {
			s, err := c.Encryption.Open()
			return Vault{Sealed: s}, err
		}),
		providers.Define(encryptions, "age", "by age", struct{}{}, func(_ struct{}, env providers.Env) (Sealer, error) {
			return &Keys{env.Address}, nil
		}),
	)
}
