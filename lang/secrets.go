package lang

import (
	"bkp/internal/secret"
	"bkp/providers"
)

// Secrets are the values of all attributes that hold one, as far as they are known,
// for hiding them in what tools and servers say.
func (c *Config) Secrets() []secret.String {
	var out []secret.String
	for _, i := range c.Instances {
		out = append(out, secretsIn(instanceSchema, i)...)
	}
	for _, k := range c.Components {
		out = append(out, secretsIn(k.Definition.Schema(), k.Config)...)
	}
	return out
}

func secretsIn(s providers.Schema, cfg any) []secret.String {
	var out []secret.String
	for _, a := range s.Attributes {
		if v, ok := a.Field(cfg).Interface().(secret.String); ok && v.IsSet() {
			out = append(out, v)
		}
	}
	for _, b := range s.Blocks {
		for _, nested := range b.In(cfg) {
			out = append(out, secretsIn(b.Schema, nested)...)
		}
	}
	return out
}
